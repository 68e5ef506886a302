use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, Result};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let name = &input.ident;
    if !input.generics.params.is_empty() {
        let message = "`#[derive(Settings)]` needs a struct without type parameters or lifetimes";
        return Err(Error::new_spanned(&input.generics, message));
    }
    let fields = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => fields.named.iter().collect(),
            Fields::Unit => Vec::new(),
            Fields::Unnamed(_) => {
                return Err(Error::new_spanned(name, "`#[derive(Settings)]` needs named fields, or none"));
            }
        },
        _ => return Err(Error::new_spanned(name, "`#[derive(Settings)]` needs a struct")),
    };
    let ids: Vec<_> = fields.iter().map(|field| &field.ident).collect();
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let names: Vec<_> = ids.iter().filter_map(|id| id.as_ref()).map(|id| id.unraw().to_string()).collect();
    let text = name.unraw().to_string();
    // `let settings` rather than struct update syntax: the struct may have a `Drop`.
    let allowed = crate::fields::allowed();
    Ok(quote! {
        #allowed
        const _: () = {
            use ::hep_run::__private::serde;

            #[derive(serde::Deserialize)]
            #[serde(crate = "::hep_run::__private::serde", default, deny_unknown_fields)]
            struct Given { #(#ids: #types,)* }

            #[automatically_derived]
            #allowed
            impl ::core::default::Default for Given {
                fn default() -> Self {
                    #[allow(unused_variables)]
                    let settings = <#name as ::core::default::Default>::default();
                    Self { #(#ids: settings.#ids,)* }
                }
            }

            #[automatically_derived]
            #allowed
            impl<'de> serde::Deserialize<'de> for #name {
                fn deserialize<D: serde::Deserializer<'de>>(
                    deserializer: D,
                ) -> ::core::result::Result<Self, D::Error> {
                    #[allow(unused_variables)]
                    let given = <Given as serde::Deserialize>::deserialize(deserializer)?;
                    ::core::result::Result::Ok(Self { #(#ids: given.#ids,)* })
                }
            }

            impl serde::Serialize for #name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> ::core::result::Result<S::Ok, S::Error> {
                    let fields: &[&str] = &[#(#names,)*];
                    #[allow(unused_mut)]
                    let mut settings = serde::Serializer::serialize_struct(serializer, #text, fields.len())?;
                    #(serde::ser::SerializeStruct::serialize_field(&mut settings, #names, &self.#ids)?;)*
                    serde::ser::SerializeStruct::end(settings)
                }
            }
        };
    })
}
