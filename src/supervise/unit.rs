//! One process: carries out what the machine decides.
