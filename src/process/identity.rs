//! Who a pid is: pid, start time, boot id, held through a pidfd.
