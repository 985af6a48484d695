//! flock'd, close-on-exec locks that name their holder.
