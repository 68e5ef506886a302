//! The derives of `hep-analysis`. Their output names the framework `::hep_run`, the one crate an
//! analysis depends on.

mod column;
mod columnar;
mod fields;
mod momentum;
mod output;
mod settings;
mod wide;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Reads a struct from columns: each field is a column, called as the field or as
/// `#[column("name")]` says. In a `Jagged<T>`, the names of `T`'s columns follow the collection's
/// after a `_`, or after what `#[columnar(separator = ".")]` on `T` says. `#[column("name", may_be_absent)]` is for an
/// optional column that every file may lack.
///
/// `#[column("pt", unit = "MeV")]` converts a column of energies from MeV to GeV. ATLAS's xAOD formats
/// (`AnalysisMuonsAuxDyn.pt`) store MeV: for their energies `unit = "MeV"`, or `unit = "GeV"` to read the numbers
/// unchanged, is required. The name may be left out: `#[column(unit = "MeV")]`.
///
/// A struct of plain numbers and bools (or arrays or options of them) is its own row; any other struct gets a row type called
/// `<Struct>Row` with the same fields. Objects of a collection that are combined in pairs must be `Copy`.
#[proc_macro_derive(Columnar, attributes(column, columnar))]
pub fn columnar(tokens: TokenStream) -> TokenStream {
    let input = parse_macro_input!(tokens as DeriveInput);
    columnar::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Gives a struct with the fields `pt`, `eta`, `phi` and `mass` the methods of `Momentum`: `p4()`, `delta_r()`
/// and so on. A struct without the field `mass` must say which mass its objects have, in GeV:
/// `#[momentum(mass = 0.1057)]` or `#[momentum(massless)]`.
#[proc_macro_derive(Momentum, attributes(momentum))]
pub fn momentum(tokens: TokenStream) -> TokenStream {
    let input = parse_macro_input!(tokens as DeriveInput);
    momentum::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes a struct of outputs an output: merged field by field, written under the fields' names, or under those that
/// `#[output(name = "m_ll")]` gives.
#[proc_macro_derive(Output, attributes(output))]
pub fn output(tokens: TokenStream) -> TokenStream {
    let input = parse_macro_input!(tokens as DeriveInput);
    output::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Reads a processor's settings from the fileset's `processor:` entry and from `--set`: each field is
/// a setting, what is not given keeps the value of `Default`, and an unknown key is an error. A
/// struct without fields has no settings. The types of the fields implement serde's `Deserialize` and `Serialize`:
/// the values that a run has, defaults included, are part of its checkpoints.
#[proc_macro_derive(Settings)]
pub fn settings(tokens: TokenStream) -> TokenStream {
    let input = parse_macro_input!(tokens as DeriveInput);
    settings::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
