//! Finds the project of a folder: the git common directory, the main checkout, the manifest.
