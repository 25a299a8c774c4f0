//! The path of a field from the top of an object: names, list indexes and map keys.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A path such as `spec.containers[0].ports[name]`. Extending a path shares what came before, so
/// validation may make one for every field it visits and pays for text only when something is wrong.
#[derive(Clone, Debug, Default)]
pub struct Path {
    last: Option<Arc<Node>>,
}

#[derive(Debug)]
struct Node {
    element: Element,
    parent: Option<Arc<Node>>,
}

#[derive(Debug)]
enum Element {
    Name(Cow<'static, str>),
    Index(usize),
    Key(String),
}

impl Path {
    /// A path of one name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Path {
        Path::nil().child(name)
    }

    /// No path at all; prints as `<nil>`, and a child of it is a path of one name.
    pub fn nil() -> Path {
        Path { last: None }
    }

    /// A path of several names.
    pub fn of(names: &[&'static str]) -> Path {
        names.iter().fold(Path::nil(), |path, name| path.child(*name))
    }

    /// Whether this is no path at all.
    pub fn is_nil(&self) -> bool {
        self.last.is_none()
    }

    /// A field of the object at this path.
    #[must_use]
    pub fn child(&self, name: impl Into<Cow<'static, str>>) -> Path {
        self.extend(Element::Name(name.into()))
    }

    /// An item of the list at this path.
    #[must_use]
    pub fn index(&self, index: usize) -> Path {
        self.extend(Element::Index(index))
    }

    /// An entry of the map at this path.
    #[must_use]
    pub fn key(&self, key: impl Into<String>) -> Path {
        self.extend(Element::Key(key.into()))
    }

    fn extend(&self, element: Element) -> Path {
        Path { last: Some(Arc::new(Node { element, parent: self.last.clone() })) }
    }
}

impl PartialEq for Path {
    fn eq(&self, other: &Path) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nodes = Vec::new();
        let mut next = self.last.as_ref();
        while let Some(node) = next {
            nodes.push(node);
            next = node.parent.as_ref();
        }
        if nodes.is_empty() {
            return f.write_str("<nil>");
        }
        for (position, node) in nodes.iter().rev().enumerate() {
            match &node.element {
                // Upstream marks a subscript by an empty name.
                Element::Name(name) if name.is_empty() => f.write_str("[]")?,
                Element::Name(name) if position == 0 => f.write_str(name)?,
                Element::Name(name) => write!(f, ".{name}")?,
                Element::Index(index) => write!(f, "[{index}]")?,
                Element::Key(key) => write!(f, "[{key}]")?,
            }
        }
        Ok(())
    }
}
