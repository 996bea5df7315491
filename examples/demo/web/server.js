'use strict';

const express = require('express');
const { WebSocketServer } = require('ws');
const whoami = require('./whoami');

const apiUrl = process.env.API_URL;
const app = express();

app.set('view engine', 'ejs');
app.set('views', `${__dirname}/views`);

async function askApi(path) {
  const answer = await fetch(new URL(path, apiUrl), { signal: AbortSignal.timeout(5000) });
  if (!answer.ok) throw new Error(`the API answered ${answer.status}`);
  return answer.json();
}

async function everyone() {
  const { api, worker } = await askApi('/everyone');
  return { web: whoami(), api, worker };
}

app.get('/', async (request, response) => {
  response.render('index', { services: await everyone() });
});

app.get('/everyone', async (request, response) => {
  response.json(await everyone());
});

app.use((error, request, response, next) => {
  console.error(error.message);
  response.status(502).json({ error: `cannot ask the API: ${error.message}` });
});

const server = app.listen(Number(process.env.PORT ?? 3000), process.env.HOST ?? '127.0.0.1', () => {
  console.log(`web listens on ${server.address().address}:${server.address().port}`);
});

const sockets = new WebSocketServer({ server, path: '/live' });

sockets.on('connection', (socket) => {
  const tell = async () => {
    try {
      socket.send(JSON.stringify(await askApi('/ticks')));
    } catch (error) {
      socket.send(JSON.stringify({ error: error.message }));
    }
  };
  const timer = setInterval(tell, 1000);
  socket.on('close', () => clearInterval(timer));
  tell();
});

process.on('SIGTERM', () => {
  for (const socket of sockets.clients) socket.terminate();
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
