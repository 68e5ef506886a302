use proc_macro2::TokenStream;
use quote::quote;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Field, Ident, LitStr, Result, Token, Type};

/// What `#[column("Muon_pt", unit = "MeV", may_be_absent)]` says of a field. Every part may be left out.
#[derive(Default)]
pub(crate) struct Column {
    /// The column's name; the field's own by default.
    name: String,
    unit: Option<Unit>,
    /// Whether every file may lack an optional column.
    may_be_absent: bool,
}

/// The unit of a column of energies in the file.
#[derive(Clone, Copy, PartialEq)]
enum Unit {
    GeV,
    MeV,
}

impl Column {
    pub(crate) fn of(field: &Field) -> Result<Self> {
        let own = field.ident.as_ref().map(|id| id.unraw().to_string()).unwrap_or_default();
        let mut attributes = field.attrs.iter().filter(|attr| attr.path().is_ident("column"));
        let Some(attribute) = attributes.next() else { return Ok(Self { name: own, ..Self::default() }) };
        if let Some(second) = attributes.next() {
            return Err(Error::new_spanned(second, "a field has one `#[column(…)]`"));
        }
        let Attribute { name, unit, may_be_absent } = attribute.parse_args()?;
        Ok(Self { name: name.unwrap_or(own), unit, may_be_absent })
    }

    /// Adds the column of type `ty` to `schema`, under the struct's `name`.
    pub(crate) fn declare(&self, ty: &Type, separator: &str) -> TokenStream {
        let own = &self.name;
        let name = quote!(&::hep_run::__private::join(name, #separator, #own));
        let mut declare = quote!(<#ty as ::hep_run::Columnar>::declare(#name, schema));
        if self.unit.is_some() {
            declare = quote!(schema.with_unit(|schema| #declare));
        }
        if self.may_be_absent {
            declare = quote!(schema.may_be_absent(|schema| #declare));
        }
        quote!(#declare;)
    }

    /// Reads the column of type `ty` from `scope`.
    pub(crate) fn read(&self, ty: &Type, separator: &str) -> TokenStream {
        let own = &self.name;
        let read = quote! {
            <#ty as ::hep_run::Columnar>::read(&::hep_run::__private::join(name, #separator, #own), scope)?
        };
        match self.unit {
            Some(Unit::MeV) => quote!(<#ty as ::hep_run::__private::Energy>::from_mev(#read)),
            None | Some(Unit::GeV) => read,
        }
    }
}

/// What stands between the parentheses.
struct Attribute {
    name: Option<String>,
    unit: Option<Unit>,
    may_be_absent: bool,
}

impl Parse for Attribute {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        const EXPECTED: &str = "expected the column's name, as in `#[column(\"Muon\")]`, or `unit = \"MeV\"`";
        let mut attribute = Self { name: None, unit: None, may_be_absent: false };
        if input.peek(LitStr) {
            attribute.name = Some(input.parse::<LitStr>()?.value());
        } else if input.is_empty() || !input.peek(Ident) {
            return Err(input.error(EXPECTED));
        } else {
            attribute.key(input)?;
        }
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if !input.is_empty() {
                attribute.key(input)?;
            }
        }
        Ok(attribute)
    }
}

impl Attribute {
    /// One `key = value`, or `may_be_absent`, behind the name.
    fn key(&mut self, input: ParseStream<'_>) -> Result<()> {
        let key: Ident = input.parse()?;
        if key == "may_be_absent" {
            self.may_be_absent = true;
            return Ok(());
        }
        if key != "unit" {
            return Err(Error::new(
                key.span(),
                "unknown key; known are `unit = \"MeV\"` and `may_be_absent`",
            ));
        }
        input.parse::<Token![=]>()?;
        let unit: LitStr = input.parse()?;
        let known = match unit.value().as_str() {
            "MeV" => Unit::MeV,
            "GeV" => Unit::GeV,
            _ => return Err(Error::new(unit.span(), "the unit is `\"MeV\"` or `\"GeV\"`")),
        };
        match self.unit.replace(known) {
            None => Ok(()),
            Some(_) => Err(Error::new(unit.span(), "the unit is given twice")),
        }
    }
}
