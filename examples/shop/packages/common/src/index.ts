// What the API and the page both know. Nothing here touches a network, a file or a clock.
export * from './money.js';
export * from './order.js';
export * from './upload.js';
export * from './wire.js';
