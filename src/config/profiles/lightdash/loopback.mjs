// Loaded before Lightdash (`node --import`): a server that names no address listens on 127.0.0.1 instead of on all of
// them. An agent's demo login is for this machine.
import net from 'node:net';

const { listen } = net.Server.prototype;

net.Server.prototype.listen = function (...args) {
    const [first, second] = args;
    if (typeof first === 'number' && typeof second !== 'string') {
        args.splice(1, 0, '127.0.0.1');
    } else if (typeof first === 'object' && first !== null && 'port' in first && !first.host) {
        args[0] = { ...first, host: '127.0.0.1' };
    }
    return listen.apply(this, args);
};
