//! Templates, layer by layer.
