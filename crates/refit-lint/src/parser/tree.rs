//! A concrete syntax tree in one vector: cheap to build and drop, with only what lowering needs.

use squawk_parser::{EntryPoint, LexedStr, StrStep, SyntaxKind};

use crate::sql::Span;

/// A tree over one text. Space and comments are omitted.
pub(super) struct Tree<'t> {
    text: &'t str,
    nodes: Vec<Node>,
    /// The number of texts that this one is quoted in.
    depth: usize,
    /// Messages with the byte offset they refer to.
    pub(super) errors: Vec<(u32, String)>,
    /// The error about an unterminated quote or comment.
    pub(super) unclosed: Option<(u32, String)>,
}

struct Node {
    kind: SyntaxKind,
    start: u32,
    end: u32,
    /// Index of the next node that is not a descendant: the nodes in between are the subtree.
    next: u32,
}

impl<'t> Tree<'t> {
    /// Parses a text. It always returns a tree; syntax errors are in its errors.
    ///
    /// `depth` is the number of texts that this one is quoted in. The text must not nest too deep ([`super::nesting`]).
    pub(super) fn parse(text: &'t str, entry: EntryPoint, depth: usize) -> Tree<'t> {
        let lexed = LexedStr::new(text);
        let output = entry.parse(&lexed.to_input());
        let nodes = Vec::with_capacity(text.len() / 6);
        let mut tree = Tree { text, nodes, depth, errors: Vec::new(), unclosed: None };
        let mut open: Vec<u32> = Vec::new();
        // The open nodes from here on have no token yet; `end` is where the last token ended.
        let (mut empty_from, mut last_end) = (0, 0);
        let mut offset = 0_u32;
        lexed.intersperse_trivia(&output, &mut |step| match step {
            StrStep::Enter { kind } => {
                open.push(tree.nodes.len() as u32);
                tree.nodes.push(Node { kind, start: u32::MAX, end: 0, next: 0 });
            }
            StrStep::Exit => {
                if let Some(index) = open.pop() {
                    let next = tree.nodes.len() as u32;
                    let node = &mut tree.nodes[index as usize];
                    node.next = next;
                    // An empty node gets the position where its tokens would be.
                    node.start = node.start.min(last_end);
                    node.end = last_end;
                    empty_from = empty_from.min(open.len());
                }
            }
            StrStep::Token { kind, text } => {
                let (start, end) = (offset, offset + text.len() as u32);
                offset = end;
                if !matches!(kind, SyntaxKind::WHITESPACE | SyntaxKind::COMMENT) {
                    for index in &open[empty_from..] {
                        tree.nodes[*index as usize].start = start;
                    }
                    (empty_from, last_end) = (open.len(), end);
                    let next = tree.nodes.len() as u32 + 1;
                    tree.nodes.push(Node { kind, start, end, next });
                }
            }
            StrStep::Error { msg, pos } => tree.errors.push((pos as u32, msg.to_owned())),
        });
        for (range, message) in lexed.errors() {
            if is_unclosed(message) {
                tree.unclosed = Some((range.start, message.to_owned()));
            }
            tree.errors.push((range.start, message.to_owned()));
        }
        tree.errors.sort();
        tree
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    pub(super) fn root(&self) -> NodeRef<'_> {
        NodeRef { tree: self, index: 0 }
    }
}

/// Whether a lexer message is about a token that extends to the end of the text.
fn is_unclosed(message: &str) -> bool {
    message.starts_with("Missing trailing") || message.starts_with("Unterminated")
}

/// A node or token of a tree.
#[derive(Clone, Copy)]
pub(super) struct NodeRef<'a> {
    tree: &'a Tree<'a>,
    index: u32,
}

impl<'a> NodeRef<'a> {
    fn node(self) -> &'a Node {
        &self.tree.nodes[self.index as usize]
    }

    /// The number of texts that the tree's text is quoted in.
    pub(super) fn depth(self) -> usize {
        self.tree.depth
    }

    pub(super) fn kind(self) -> SyntaxKind {
        self.node().kind
    }

    pub(super) fn text(self) -> &'a str {
        let Span { start, end } = self.span();
        &self.tree.text[start as usize..end as usize]
    }

    /// Its span; that of an empty node is where its tokens would be.
    pub(super) fn span(self) -> Span {
        let Node { start, end, .. } = *self.node();
        Span { start, end }
    }

    /// Nodes and tokens directly below.
    pub(super) fn children(self) -> impl Iterator<Item = NodeRef<'a>> {
        let end = self.node().next;
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            (index < end).then(|| {
                let child = NodeRef { tree: self.tree, index };
                index = child.node().next;
                child
            })
        })
    }

    /// All descendants, depth first.
    pub(super) fn descendants(self) -> impl Iterator<Item = NodeRef<'a>> {
        (self.index + 1..self.node().next).map(move |index| NodeRef { tree: self.tree, index })
    }

    /// The first nodes of some kinds on each path down, without entering them.
    pub(super) fn topmost(self, is_match: impl Fn(SyntaxKind) -> bool) -> impl Iterator<Item = NodeRef<'a>> {
        let end = self.node().next;
        let mut index = self.index + 1;
        std::iter::from_fn(move || {
            while index < end {
                let node = NodeRef { tree: self.tree, index };
                if is_match(node.kind()) {
                    index = node.node().next;
                    return Some(node);
                }
                index += 1;
            }
            None
        })
    }

    pub(super) fn child(self, kind: SyntaxKind) -> Option<NodeRef<'a>> {
        self.children().find(|child| child.kind() == kind)
    }

    pub(super) fn child_of(self, kinds: &[SyntaxKind]) -> Option<NodeRef<'a>> {
        self.children().find(|child| kinds.contains(&child.kind()))
    }

    pub(super) fn has(self, kind: SyntaxKind) -> bool {
        self.child(kind).is_some()
    }

    pub(super) fn descendant(self, kind: SyntaxKind) -> Option<NodeRef<'a>> {
        self.descendants().find(|node| node.kind() == kind)
    }

    /// Whether it is a token.
    pub(super) fn is_token(self) -> bool {
        self.node().next == self.index + 1
    }

    /// The first words in upper case, for statements of which rules only check the keywords.
    pub(super) fn first_words(self, count: usize) -> String {
        let mut words = String::with_capacity(64);
        for token in self.descendants().filter(|node| node.is_token()).take(count) {
            if !words.is_empty() {
                words.push(' ');
            }
            words.push_str(token.text());
        }
        words.make_ascii_uppercase();
        words
    }
}
