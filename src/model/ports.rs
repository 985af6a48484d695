//! An agent's ports: `base + 10 * id`, collisions between ids, ports that browsers block.
