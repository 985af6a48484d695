//! The short allow-list of the launching shell's variables that reach processes.
