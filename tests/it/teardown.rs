//! `teardown`: the machine before and after.
