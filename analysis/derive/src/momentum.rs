use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Expr, Result};

use crate::fields::named;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named(input, "Momentum")?;
    let has = |name: &str| fields.iter().any(|field| field.ident.as_ref().is_some_and(|id| id == name));
    if let Some(missing) = ["pt", "eta", "phi"].into_iter().find(|name| !has(name)) {
        let message = format!("`#[derive(Momentum)]` needs the fields `pt`, `eta` and `phi`: no `{missing}`");
        return Err(Error::new_spanned(&input.ident, message));
    }
    let name = &input.ident;
    let mass = match (said_mass(input)?, has("mass")) {
        (None, true) => quote!(f64::from(self.mass)),
        (Some(mass), false) => quote!(#mass),
        (Some(_), true) => {
            let message = "the mass is given twice: by the field `mass` and by `#[momentum(…)]`";
            return Err(Error::new_spanned(name, message));
        }
        // A mass of 0 that nobody chose would give a wrong four-momentum without a word.
        (None, false) => {
            let message = "`#[derive(Momentum)]` needs a mass: add the field `mass` (of a column with another \
                           name: `#[column(\"m\")] mass: f32`), or `#[momentum(mass = 0.1057)]` (GeV) or \
                           `#[momentum(massless)]` on the struct";
            return Err(Error::new_spanned(name, message));
        }
    };
    let allowed = crate::fields::allowed();
    Ok(quote! {
        #[automatically_derived]
        #allowed
        impl ::hep_run::vector::Momentum for #name {
            #[inline(always)]
            fn pt(&self) -> f64 { f64::from(self.pt) }
            #[inline(always)]
            fn eta(&self) -> f64 { f64::from(self.eta) }
            #[inline(always)]
            fn phi(&self) -> f64 { f64::from(self.phi) }
            #[inline(always)]
            fn mass(&self) -> f64 { #mass }
        }
    })
}

/// The mass in GeV that `#[momentum(mass = 0.1057)]` or `#[momentum(massless)]` gives to all objects.
fn said_mass(input: &DeriveInput) -> Result<Option<TokenStream>> {
    let mut mass = None;
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("momentum")) {
        attr.parse_nested_meta(|meta| {
            let said = if meta.path.is_ident("massless") {
                quote!(0.0)
            } else if meta.path.is_ident("mass") {
                let mass: Expr = meta.value()?.parse()?;
                quote!(f64::from(#mass))
            } else {
                return Err(meta.error("expected `mass = 0.1057` (GeV) or `massless`"));
            };
            match mass.replace(said) {
                None => Ok(()),
                Some(_) => Err(meta.error("the mass is given twice")),
            }
        })?;
    }
    Ok(mass)
}
