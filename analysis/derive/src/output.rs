use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{DeriveInput, Error, Field, LitStr, Result};

use crate::fields::named;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named(input, "Output")?;
    let name = &input.ident;
    let ids: Vec<_> = fields.iter().map(|field| &field.ident).collect();
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let names = fields.iter().map(|field| object_name(field)).collect::<Result<Vec<_>>>()?;
    let allowed = crate::fields::allowed();
    Ok(quote! {
        #[automatically_derived]
        #allowed
        impl ::hep_run::Merge for #name {
            fn merge(&mut self, other: Self) -> ::hep_run::Result<()> {
                #(::hep_run::Merge::merge(&mut self.#ids, other.#ids).map_err(|error| error.of(#names))?;)*
                ::core::result::Result::Ok(())
            }
        }

        #[automatically_derived]
        #allowed
        impl ::hep_run::Output for #name {
            fn objects(&self, path: &str, sink: &mut dyn ::core::ops::FnMut(&str, ::hep_run::Object)) {
                #(::hep_run::Output::objects(&self.#ids, &::hep_run::__private::join(path, "/", #names), sink);)*
            }

            fn memory(&self) -> usize {
                0 #(+ ::hep_run::Output::memory(&self.#ids))*
            }

            fn non_finite_weights(&self, path: &str, sink: &mut dyn ::core::ops::FnMut(&str, u64)) {
                #(::hep_run::Output::non_finite_weights(
                    &self.#ids,
                    &::hep_run::__private::join(path, "/", #names),
                    sink,
                );)*
            }

            fn most_memory(&self, path: &str, sink: &mut dyn ::core::ops::FnMut(&str, usize)) {
                #(::hep_run::Output::most_memory(
                    &self.#ids,
                    &::hep_run::__private::join(path, "/", #names),
                    sink,
                );)*
            }
        }

        // The struct crosses process borders; its author need not depend on serde for that.
        #allowed
        const _: () = {
            use ::hep_run::__private::serde;

            #[derive(serde::Serialize)]
            #[serde(crate = "::hep_run::__private::serde")]
            struct Borrowed<'a> { #(#ids: &'a #types,)* }

            #[derive(serde::Deserialize)]
            #[serde(crate = "::hep_run::__private::serde")]
            struct Owned { #(#ids: #types,)* }

            #[automatically_derived]
            #allowed
            impl serde::Serialize for #name {
                fn serialize<S: serde::Serializer>(
                    &self,
                    serializer: S,
                ) -> ::core::result::Result<S::Ok, S::Error> {
                    serde::Serialize::serialize(&Borrowed { #(#ids: &self.#ids,)* }, serializer)
                }
            }

            #[automatically_derived]
            #allowed
            impl<'de> serde::Deserialize<'de> for #name {
                fn deserialize<D: serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    let owned = <Owned as serde::Deserialize>::deserialize(deserializer)?;
                    ::core::result::Result::Ok(Self { #(#ids: owned.#ids,)* })
                }
            }
        };
    })
}

/// What the object of a field is called: as `#[output(name = "…")]` says, or as the field.
fn object_name(field: &Field) -> Result<String> {
    let mut given = None;
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("output")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("expected `name = \"…\"`"));
            }
            let name: LitStr = meta.value()?.parse()?;
            match name.value() {
                empty if empty.is_empty() => return Err(Error::new_spanned(name, "the name is empty")),
                text => given = Some(text),
            }
            Ok(())
        })?;
    }
    Ok(given.unwrap_or_else(|| field.ident.as_ref().map_or_else(String::new, |id| id.unraw().to_string())))
}
