use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Field, Fields, Result};

/// The named fields of a struct without type parameters: what every derive here needs.
pub(crate) fn named<'a>(input: &'a DeriveInput, derive: &str) -> Result<Vec<&'a Field>> {
    if !input.generics.params.is_empty() {
        let message = format!("`#[derive({derive})]` needs a struct without type parameters or lifetimes");
        return Err(Error::new_spanned(&input.generics, message));
    }
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => Ok(fields.named.iter().collect()),
            _ => Err(Error::new_spanned(&input.ident, format!("`#[derive({derive})]` needs named fields"))),
        },
        _ => Err(Error::new_spanned(&input.ident, format!("`#[derive({derive})]` needs a struct"))),
    }
}

/// What stands on all that is generated: lints are about what the author has written. `deprecated` and the like, which
/// tell of the types of fields, are not among them.
pub(crate) fn allowed() -> TokenStream {
    quote! {
        #[allow(
            dead_code,
            missing_copy_implementations,
            missing_debug_implementations,
            non_camel_case_types,
            non_snake_case,
            single_use_lifetimes,
            unreachable_pub,
            unused_lifetimes,
            unused_qualifications,
            unused_results,
            trivial_casts,
            trivial_numeric_casts,
            clippy::all,
            clippy::pedantic,
            clippy::nursery,
            clippy::restriction
        )]
    }
}
