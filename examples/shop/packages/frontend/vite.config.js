import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const api = process.env.PORT ?? '8000';

export default defineConfig({
  plugins: [react()],
  // Two agents may share the tree: each has its own cache.
  cacheDir: `.vite/agent-${process.env.SHOP_AGENT ?? '0'}`,
  clearScreen: false,
  server: {
    host: '127.0.0.1',
    proxy: { '/api': { target: `http://127.0.0.1:${api}` } },
  },
});
