//! Structs, enums and lists of source files, with their doc comments.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use syn::{Attribute, Expr, Fields, GenericArgument, Item, Lit, Meta, PathArguments, Type};

/// The items of some source files.
pub(super) struct Source(Vec<Item>);

/// A struct whose fields are keys.
pub(super) struct Table {
    pub(super) docs: String,
    pub(super) keys: Vec<Key>,
}

/// A field of a struct.
pub(super) struct Key {
    pub(super) name: String,
    pub(super) docs: String,
    pub(super) kind: Kind,
    /// Whether it has no default.
    pub(super) is_required: bool,
}

/// The type of a field, without `Option`.
pub(super) enum Kind {
    /// A type by its name.
    Named(String),
    /// A list of values of a type.
    List(String),
    /// A map from names to values of a type.
    Map(String),
}

/// A value of an enum as TOML, and its documentation.
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) docs: String,
}

impl Source {
    pub(super) fn read(folder: &Path, files: &[&str]) -> anyhow::Result<Source> {
        let mut items = Vec::new();
        for file in files {
            let path = folder.join(file);
            let shown = path.display();
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
            items.extend(syn::parse_file(&text).with_context(|| format!("cannot parse {shown}"))?.items);
        }
        Ok(Source(items))
    }

    /// A struct by its name.
    pub(super) fn table(&self, name: &str) -> Option<anyhow::Result<Table>> {
        let found = self.0.iter().find_map(|item| match item {
            Item::Struct(item) if item.ident == name => Some(item),
            _ => None,
        })?;
        let Fields::Named(fields) = &found.fields else { return None };
        // A struct without `Deserialize` is read key by key, and each key is optional.
        let may_miss = has(&found.attrs, "serde", "default") || !has(&found.attrs, "derive", "Deserialize");
        let key = |field: &syn::Field| {
            let name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
            let (kind, is_optional) =
                kind(&field.ty).with_context(|| format!("a key cannot have the type of `{name}`"))?;
            let is_required = !may_miss && !is_optional && !has(&field.attrs, "serde", "default");
            Ok(Key { name, docs: docs(&field.attrs), kind, is_required })
        };
        let keys = fields.named.iter().map(key).collect::<anyhow::Result<Vec<Key>>>();
        Some(keys.map(|keys| Table { docs: docs(&found.attrs), keys }))
    }

    /// The values of an enum.
    pub(super) fn choices(&self, name: &str) -> Option<anyhow::Result<Vec<Choice>>> {
        let found = self.0.iter().find_map(|item| match item {
            Item::Enum(item) if item.ident == name => Some(item),
            _ => None,
        })?;
        let choice = |variant: &syn::Variant| Choice {
            value: format!("\"{}\"", kebab_case(&variant.ident.to_string())),
            docs: docs(&variant.attrs),
        };
        let choices = || {
            ensure!(has(&found.attrs, "serde", "rename_all"), "the values of `{name}` are not in lower case");
            Ok(found.variants.iter().map(choice).collect())
        };
        Some(choices())
    }

    /// A constant that is an array of strings.
    pub(super) fn list(&self, name: &str) -> anyhow::Result<Vec<String>> {
        let found = self.0.iter().find_map(|item| match item {
            Item::Const(item) if item.ident == name => Some(&*item.expr),
            _ => None,
        });
        let Some(Expr::Array(array)) = found else { return Err(anyhow!("there is no array `{name}`")) };
        let text = |element: &Expr| match element {
            Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => Ok(text.value()),
            _ => Err(anyhow!("`{name}` has an element that is not a string")),
        };
        array.elems.iter().map(text).collect()
    }
}

/// A variant's name in lower case, its words separated by hyphens.
fn kebab_case(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.extend(c.to_lowercase());
    }
    text
}

/// The kind of a type, and whether it is an `Option`.
fn kind(ty: &Type) -> anyhow::Result<(Kind, bool)> {
    let (name, inner) = parts(ty)?;
    let last =
        || inner.last().map(|inner| parts(inner)).transpose()?.map(|(name, _)| name).context("no argument");
    Ok(match name.as_str() {
        "Option" => (kind(inner.last().context("no argument")?)?.0, true),
        "Vec" => (Kind::List(last()?), false),
        "BTreeMap" => (Kind::Map(last()?), false),
        _ => (Kind::Named(name), false),
    })
}

/// A type's name and its arguments.
fn parts(ty: &Type) -> anyhow::Result<(String, Vec<&Type>)> {
    let Type::Path(path) = ty else { return Err(anyhow!("not a path")) };
    let segment = path.path.segments.last().context("an empty path")?;
    let inner = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => arguments.args.iter().collect(),
        _ => Vec::new(),
    };
    let types = inner.into_iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    Ok((segment.ident.to_string(), types.collect()))
}

/// The lines of a doc comment.
fn docs(attributes: &[Attribute]) -> String {
    let line = |attribute: &Attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    };
    let lines = attributes.iter().filter_map(line);
    lines.map(|line| line.strip_prefix(' ').unwrap_or(&line).to_owned()).collect::<Vec<_>>().join("\n")
}

/// Whether an attribute, such as `serde(default, …)`, has a word.
fn has(attributes: &[Attribute], attribute: &str, word: &str) -> bool {
    let mut found = false;
    for attribute in attributes.iter().filter(|one| one.path().is_ident(attribute)) {
        // An attribute in another form does not have the word.
        let _ = attribute.parse_nested_meta(|meta| {
            found |= meta.path.is_ident(word);
            if meta.input.peek(syn::Token![=]) {
                meta.value()?.parse::<Lit>()?;
            }
            Ok(())
        });
    }
    found
}
