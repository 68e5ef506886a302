//! Structs of many columns, read part by part.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::Type;

/// How many columns, or parts, one function reads. Each of the errors of `n` columns drops the columns before it: the
/// time that rustc takes for one function grows with the square of `n` and more.
const PART: usize = 8;

/// The columns of a struct in parts of at most [`PART`], these again in parts, up to one part that is all.
pub(crate) struct Parts {
    /// The parts' types and how they are read.
    pub(crate) definitions: TokenStream,
    /// The type of the part that is all.
    pub(crate) all: Ident,
    /// Where the columns stand in a value of that type.
    pub(crate) paths: Vec<TokenStream>,
}

impl Parts {
    /// Of the fields `ids` with the types `types`, that the expressions `reads` read.
    pub(crate) fn of(prefix: &Ident, ids: &[&Ident], types: &[&Type], reads: &[TokenStream]) -> Self {
        let members: Vec<_> = types.iter().map(|ty| quote!(<#ty as ::hep_run::Columnar>::Column)).collect();
        let names: Vec<Ident> = ids.iter().map(|&id| id.clone()).collect();
        let mut parts = Self {
            definitions: TokenStream::new(),
            all: prefix.clone(),
            paths: names.iter().map(|id| quote!(.#id)).collect(),
        };
        let mut number = 0;
        let mut level = (names, members, reads.to_vec());
        // How many columns stand in each member of the level.
        let mut width = 1;
        loop {
            let mut next = (Vec::new(), Vec::new(), Vec::new());
            let (names, members, reads) = &level;
            for (first, names) in names.chunks(PART).enumerate() {
                let range = first * PART..first * PART + names.len();
                let (members, reads) = (&members[range.clone()], &reads[range]);
                let (part, id) = (format_ident!("{prefix}{number}"), format_ident!("part_{number}"));
                number += 1;
                parts.definitions.extend(quote! {
                    struct #part { #(#names: #members,)* }

                    impl #part {
                        #[inline(never)]
                        fn read(
                            name: &str,
                            scope: &::hep_run::__private::Scope<'_>,
                        ) -> ::core::result::Result<Self, ::hep_run::__private::ColumnError> {
                            ::core::result::Result::Ok(Self { #(#names: #reads,)* })
                        }
                    }
                });
                next.0.push(id);
                next.1.push(quote!(#part));
                next.2.push(quote!(#part::read(name, scope)?));
                parts.all = part;
            }
            if next.0.len() == 1 {
                return parts;
            }
            width *= PART;
            for (i, path) in parts.paths.iter_mut().enumerate() {
                let id = &next.0[i / width];
                *path = quote!(.#id #path);
            }
            level = next;
        }
    }
}
