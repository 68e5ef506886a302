use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Result};

use crate::fields::named;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named(input, "Momentum")?;
    let has = |name: &str| fields.iter().any(|field| field.ident.as_ref().is_some_and(|id| id == name));
    if let Some(missing) = ["pt", "eta", "phi"].into_iter().find(|name| !has(name)) {
        let message = format!("`#[derive(Momentum)]` needs the fields `pt`, `eta` and `phi`: no `{missing}`");
        return Err(Error::new_spanned(&input.ident, message));
    }
    let name = &input.ident;
    let mass = has("mass").then(|| {
        quote! {
            #[inline(always)]
            fn mass(&self) -> f64 { f64::from(self.mass) }
        }
    });
    Ok(quote! {
        impl ::hep_run::vector::Momentum for #name {
            #[inline(always)]
            fn pt(&self) -> f64 { f64::from(self.pt) }
            #[inline(always)]
            fn eta(&self) -> f64 { f64::from(self.eta) }
            #[inline(always)]
            fn phi(&self) -> f64 { f64::from(self.phi) }
            #mass
        }
    })
}
