#!/usr/bin/env node
// chat.js - a chat in which everybody sees the same lines in the same order.
//
//     node examples/chat.js SOCKET NAME
//
// What you type goes into the order; what is printed comes out of it, your own lines too. Of two
// connections one follows the log and does nothing else, the other sends. The consumer's cursor makes a
// chat that was closed go on behind the last line it has shown.
// SPDX-License-Identifier: Apache-2.0
'use strict';
const net = require('net');
const readline = require('readline');

const [path, name] = process.argv.slice(2);
if (!path || !name) {
    console.error('usage: chat.js SOCKET NAME');
    process.exit(2);
}

const ask = (connection, request) => connection.write(JSON.stringify(request) + '\n');

// Every reply and message is a line of JSON.
function connect(onLine) {
    const connection = net.connect(path);
    readline.createInterface({ input: connection }).on('line', (line) => onLine(JSON.parse(line)));
    connection.on('error', (error) => {
        console.error(`${path}: ${error.message}`);
        process.exit(1);
    });
    return connection;
}

const reader = connect((message) => {
    if (message.ok === false) throw new Error(message.message);
    if (message.data === undefined) return; // the answer to an ack, or bytes that are no text
    const clock = new Date(message.time).toISOString().slice(11, 19);
    console.log(`${message.index} ${clock} ${message.data}`);
    ask(reader, { op: 'ack', consumer: `chat ${name}`, index: message.index });
});
ask(reader, { op: 'follow', consumer: `chat ${name}`, from: 'start' });

let unanswered = 0, isOver = false;
const sender = connect((reply) => {
    if (!reply.ok) console.error(`not sent: ${reply.message}`);
    unanswered--;
    if (isOver && unanswered === 0) sender.end();
});
sender.on('close', () => setTimeout(() => process.exit(0), 300)); // time to show what was just said

readline.createInterface({ input: process.stdin })
    .on('line', (line) => {
        unanswered++;
        ask(sender, { op: 'send', data: `${name}: ${line}` });
    })
    .on('close', () => {
        isOver = true;
        if (unanswered === 0) sender.end();
    });
