//! Interned names and types: most tables have an `id`, and most columns have one of few types.

use std::collections::HashSet;
use std::sync::Arc;

use crate::sql::DataType;

/// The interned values.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shared {
    names: HashSet<Arc<str>>,
    types: HashSet<Arc<DataType>>,
}

impl Shared {
    pub(super) fn name(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.names.insert(Arc::clone(&new));
        new
    }

    pub(super) fn data_type(&mut self, data_type: &DataType) -> Arc<DataType> {
        if let Some(known) = self.types.get(data_type) {
            return Arc::clone(known);
        }
        let new = Arc::new(data_type.clone());
        self.types.insert(Arc::clone(&new));
        new
    }
}
