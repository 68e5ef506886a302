use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{DeriveInput, Field, GenericArgument, LitStr, Path, PathArguments, Result, Type};

use crate::column::Column;
use crate::fields::named;
use crate::wide::Parts;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let fields = named(input, "Columnar")?;
    let separator = separator(input)?;
    let (name, vis) = (&input.ident, &input.vis);
    let (columns, row) = (format_ident!("{name}Columns"), format_ident!("{name}Row"));
    let ids: Vec<_> = fields.iter().filter_map(|field| field.ident.as_ref()).collect();
    let types: Vec<_> = fields.iter().map(|field| &field.ty).collect();
    let docs: Vec<_> = fields.iter().map(|field| doc(field)).collect();
    let declared = fields.iter().map(|field| Column::of(field)).collect::<Result<Vec<_>>>()?;
    let declares = declared.iter().zip(&types).map(|(column, ty)| column.declare(ty, &separator));
    let reads: Vec<_> = declared.iter().zip(&types).map(|(column, ty)| column.read(ty, &separator)).collect();
    let Parts { definitions, all, paths } = Parts::of(&columns, &ids, &types, &reads);

    let allowed = crate::fields::allowed();
    let (row_type, row_item, row_definition) = if types.iter().all(|ty| is_plain(ty)) {
        (quote!(#name), quote!(#name), quote!())
    } else {
        let doc = format!("One row of [`{name}`].");
        let definition = quote! {
            #[doc = #doc]
            #[derive(Clone, Copy)]
            #allowed
            #vis struct #row<'a> {
                #(#(#docs)* pub #ids: <#types as ::hep_run::Columnar>::Item<'a>,)*
                marker: ::core::marker::PhantomData<&'a ()>,
            }
        };
        (quote!(#row<'a>), quote!(#row), definition)
    };
    let marker = (!row_definition.is_empty()).then(|| quote!(marker: ::core::marker::PhantomData,));
    let columns_doc = format!("The columns of [`{name}`], each over all rows of a batch.");

    Ok(quote! {
        #[doc = #columns_doc]
        #[derive(Clone)]
        #allowed
        #vis struct #columns { #(#(#docs)* pub #ids: <#types as ::hep_run::Columnar>::Column,)* }

        #row_definition

        // A struct may be there only to declare columns. This use of its fields says so to rustc.
        #allowed
        const _: fn(&#name) = |declared| { #(let _ = &declared.#ids;)* };

        #[automatically_derived]
        #allowed
        impl ::hep_run::Columnar for #name {
            type Column = #columns;
            type Item<'a> = #row_type;

            fn declare(name: &str, schema: &mut ::hep_run::__private::Schema) {
                #(#declares)*
            }

            fn read(
                name: &str,
                scope: &::hep_run::__private::Scope<'_>,
            ) -> ::core::result::Result<#columns, ::hep_run::__private::ColumnError> {
                #definitions
                let all = #all::read(name, scope)?;
                ::core::result::Result::Ok(#columns { #(#ids: all #paths,)* })
            }

            #[inline(always)]
            fn item<'a>(column: &'a #columns, i: usize) -> #row_type {
                #row_item { #(#ids: <#types as ::hep_run::Columnar>::item(&column.#ids, i),)* #marker }
            }
        }
    })
}

/// `#[columnar(separator = ".")]`, else `_`.
fn separator(input: &DeriveInput) -> Result<String> {
    let mut separator = "_".to_owned();
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("columnar")) {
        attr.parse_nested_meta(|meta| {
            if !meta.path.is_ident("separator") {
                return Err(meta.error("unknown key; the only one is `separator = \"_\"`"));
            }
            separator = meta.value()?.parse::<LitStr>()?.value();
            Ok(())
        })?;
    }
    Ok(separator)
}

fn doc(field: &Field) -> Vec<TokenStream> {
    let docs: Vec<_> = field.attrs.iter().filter(|attr| attr.path().is_ident("doc")).collect();
    if docs.is_empty() {
        let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
        let doc = format!("The field `{name}`.");
        vec![quote!(#[doc = #doc])]
    } else {
        docs.iter().map(|attr| quote!(#attr)).collect()
    }
}

/// Whether a field's type is a number, a bool, an array of numbers, or an `Option` of these: then a row holds the very same.
fn is_plain(ty: &Type) -> bool {
    const PLAIN: [&str; 11] = ["i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64", "bool"];
    match ty {
        Type::Path(path) => {
            PLAIN.iter().any(|plain| path.path.is_ident(plain)) || option_of(&path.path).is_some_and(is_plain)
        }
        Type::Array(array) => is_plain(&array.elem),
        _ => false,
    }
}

/// The `T` of `Option<T>`, as it is usually written.
fn option_of(path: &Path) -> Option<&Type> {
    let last = path.segments.last().filter(|last| last.ident == "Option" && path.segments.len() == 1)?;
    match &last.arguments {
        PathArguments::AngleBracketed(arguments) => match arguments.args.first()? {
            GenericArgument::Type(inner) => Some(inner),
            _ => None,
        },
        _ => None,
    }
}
