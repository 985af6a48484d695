//! Builds and lists templates, layer by layer.
