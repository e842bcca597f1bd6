// SPDX-License-Identifier: BSD-2-Clause
// node's servers for programs.sh: http on 8090, http2 on 8091, on 8092 one that answers from a worker
// thread's own server; with "cluster" a cluster of two on 8093; with an address a load of many streams
// for http2.
'use strict';
const http = require('http'), http2 = require('http2'), cluster = require('cluster');
const { Worker, isMainThread } = require('worker_threads');

function load(host) {
	const sessions = [];
	let left = 100;
	for (let i = 0; i < 10; i++) {
		const s = http2.connect(`http://${host}:8091`);
		sessions.push(s);
		for (let k = 0; k < 10; k++) {
			let got = 0;
			const q = s.request({ ':path': `/${k}` });
			q.on('data', d => got += d.length);
			q.on('end', () => {
				if (got !== 50000)
					throw new Error(`${got} bytes`);
				if (--left === 0)
					sessions.forEach(x => x.close());
			});
		}
	}
}

if (process.argv[2] === 'cluster') {
	if (cluster.isPrimary) {
		cluster.fork();
		cluster.fork();
	} else {
		http.createServer((q, r) => r.end('cluster\n')).listen(8093, '0.0.0.0');
	}
} else if (process.argv[2]) {
	load(process.argv[2]);
} else if (isMainThread) {
	new Worker(__filename);
	http2.createServer((q, r) => r.end('x'.repeat(50000))).listen(8091, '0.0.0.0');
	http.createServer((q, r) => r.end('x'.repeat(20000))).listen(8090, '0.0.0.0');
} else {
	http.createServer((q, r) => r.end('worker\n')).listen(8092, '0.0.0.0');
}
