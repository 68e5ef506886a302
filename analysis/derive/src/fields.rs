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
