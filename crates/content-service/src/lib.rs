//! content-service
