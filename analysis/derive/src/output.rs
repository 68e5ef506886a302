use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Result};

use crate::fields::named;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named(input, "Output")?;
    let name = &input.ident;
    let ids: Vec<_> = fields.iter().map(|field| &field.ident).collect();
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let names: Vec<String> = fields
        .iter()
        .filter_map(|field| field.ident.as_ref())
        .map(|id| syn::ext::IdentExt::unraw(id).to_string())
        .collect();
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
