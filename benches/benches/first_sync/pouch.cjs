// Rows from standard input, one JSON document a line, into a PouchDB server on loopback; then another
// PouchDB replicates them from it. Says how long that took, and how many bytes its sockets carried.
const fs = require('fs');
const path = require('path');
const PouchDB = require('pouchdb');
const express = require('express');

const dir = process.argv[2];
const under = (name) => {
  const prefix = path.join(dir, name) + path.sep;
  fs.mkdirSync(prefix, { recursive: true });
  return PouchDB.defaults({ prefix });
};

async function run(port, carried) {
  const theirs = new (under('server'))('rows');
  const docs = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean).map(JSON.parse);
  while (docs.length) await theirs.bulkDocs(docs.splice(0, 5000));
  const ours = new (under('device'))('rows');
  const start = process.hrtime.bigint();
  const url = `http://127.0.0.1:${port}/rows`;
  const done = await ours.replicate.from(url, { batch_size: 1000 });
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const rows = (await ours.info()).doc_count;
  console.log(JSON.stringify({ ok: done.ok, seconds, rows, bytes: carried() }));
}

const app = express();
app.use('/', require('express-pouchdb')(under('server'), {
  mode: 'minimumForPouchDB',
  logPath: path.join(dir, 'log.txt'),
  configPath: path.join(dir, 'config.json'),
}));
const sockets = [];
const carried = () => sockets.reduce((sum, it) => sum + it.bytesRead + it.bytesWritten, 0);
const server = app.listen(0, '127.0.0.1', () => {
  run(server.address().port, carried).then(() => process.exit(0), (error) => {
    console.error(error);
    process.exit(1);
  });
});
server.on('connection', (socket) => sockets.push(socket));
