//! Codes of the interface, and of commands that ask it.

use super::Entry;

#[rustfmt::skip] // one block for each, whatever its length
pub(super) const INTERFACE: &[Entry] = &[
    Entry {
        code: "already",
        meaning: "The pool that was asked for is mined for already.",
        causes: &[
            "the order was given twice",
        ],
        remedies: &[
            "nothing",
        ],
    },
    Entry {
        code: "api-bind",
        meaning: "The interface cannot listen on its address.",
        causes: &[
            "another rminer or another program has the port",
        ],
        remedies: &[
            "choose another one: --api-bind ADDRESS:PORT, or --api-bind off",
        ],
    },
    Entry {
        code: "api-plain",
        meaning: "The interface listens beyond this machine, and is not encrypted: who sees the traffic sees the token.",
        causes: &[
            "--api-bind with an address of the network",
        ],
        remedies: &[
            "bind to 127.0.0.1 and put a reverse proxy with TLS before it, where you do not trust the network",
        ],
    },
    Entry {
        code: "api-token",
        meaning: "The token of the interface cannot be read, made or used.",
        causes: &[
            "the state folder may not be written",
            "others than you can read the file",
            "the token is too short",
        ],
        remedies: &[
            "chmod 600 FILE",
            "delete the file and rminer makes a new one at its next start",
        ],
    },
    Entry {
        code: "bad-event-id",
        meaning: "The stream was asked to go on after an event whose number cannot be read.",
        causes: &[
            "a client that makes up Last-Event-ID",
        ],
        remedies: &[
            "leave the header out",
        ],
    },
    Entry {
        code: "bad-host",
        meaning: "The header Host of a request cannot be read.",
        causes: &[
            "a client that is none of HTTP/1.1",
        ],
        remedies: &[
            "send Host as ADDRESS:PORT",
        ],
    },
    Entry {
        code: "bad-json",
        meaning: "The body of an order is not JSON.",
        causes: &[
            "a quote or bracket is missing",
        ],
        remedies: &[
            "send it as GET /api/v1/openapi.json says",
        ],
    },
    Entry {
        code: "bad-order",
        meaning: "The body of an order has fields that are not known, or values out of range.",
        causes: &[
            "a typing error",
        ],
        remedies: &[
            "GET /api/v1/constraints has the bounds of every number",
        ],
    },
    Entry {
        code: "bad-query",
        meaning: "The query of a request cannot be read.",
        causes: &[
            "a parameter that this path does not take, or a value out of range",
        ],
        remedies: &[
            "GET /api/v1/openapi.json says what each path takes",
        ],
    },
    Entry {
        code: "body-late",
        meaning: "The body of an order did not come.",
        causes: &[
            "a client that sends the head alone",
        ],
        remedies: &[
            "send it together with the head",
        ],
    },
    Entry {
        code: "body-too-long",
        meaning: "The body of an order is too long.",
        causes: &[
            "no order needs more than 4 KiB",
        ],
        remedies: &[
            "send what the order needs",
        ],
    },
    Entry {
        code: "busy",
        meaning: "Too many orders wait already, or the miner ends.",
        causes: &[
            "a script in a loop",
            "a miner that is being stopped",
        ],
        remedies: &[
            "try again in a second",
        ],
    },
    Entry {
        code: "method-not-allowed",
        meaning: "This path does not take this method.",
        causes: &[
            "GET for an order, or POST for a question",
        ],
        remedies: &[
            "the header Allow names those that it takes",
        ],
    },
    Entry {
        code: "no-answer",
        meaning: "The miner has not answered an order in time. It may hold all the same.",
        causes: &[
            "a machine that is very busy",
        ],
        remedies: &[
            "look at rminer status before you give it again",
        ],
    },
    Entry {
        code: "no-miner",
        meaning: "No miner can be reached where it was looked for.",
        causes: &[
            "rminer does not run",
            "it was started with --api-bind off, or at another address",
        ],
        remedies: &[
            "systemctl status rminer, or start it",
            "name the address: --host ADDRESS:PORT",
        ],
    },
    Entry {
        code: "no-terminal",
        meaning: "The full screen was asked for where input or output is no terminal. While mining, lines are printed instead.",
        causes: &[
            "a service, a container, or a pipe behind the command",
        ],
        remedies: &[
            "rminer status --watch prints lines, with --json for programs",
            "run rminer top in a terminal; --host names a miner elsewhere",
        ],
    },
    Entry {
        code: "terminal",
        meaning: "The terminal cannot be used for the full screen.",
        causes: &[
            "it was closed, or belongs to another program",
        ],
        remedies: &[
            "mine with --ui lines",
        ],
    },
    Entry {
        code: "no-reload",
        meaning: "There is no configuration to read again.",
        causes: &[
            "the miner was started as a demonstration",
        ],
        remedies: &[
            "start it with `rminer mine`",
        ],
    },
    Entry {
        code: "no-such-device",
        meaning: "There is no device of this name.",
        causes: &[
            "a device that another rig has",
        ],
        remedies: &[
            "rminer status, or GET /api/v1/devices, lists them",
        ],
    },
    Entry {
        code: "no-such-pool",
        meaning: "There is no pool of this number.",
        causes: &[
            "pools are numbered from 1, in the order of the configuration",
        ],
        remedies: &[
            "rminer status lists them",
        ],
    },
    Entry {
        code: "no-such-pairing",
        meaning: "No paired device has this number.",
        causes: &[
            "the device was let in no longer already",
            "numbers are not those of another rig",
        ],
        remedies: &[
            "rminer ctl paired lists them",
        ],
    },
    Entry {
        code: "no-token",
        meaning: "The miner has no token, and takes no orders.",
        causes: &[
            "its token file could not be made or read at the start",
        ],
        remedies: &[
            "look for api-token among its first messages",
        ],
    },
    Entry {
        code: "not-allowed",
        meaning: "The miner does not let us.",
        causes: &[
            "the token is missing or another miner's",
            "an order to a miner without a token",
        ],
        remedies: &[
            "--token-file FILE, or RMINER_API_TOKEN",
        ],
    },
    Entry {
        code: "not-kept",
        meaning: "The list of paired devices cannot be written, so nobody was let in or out.",
        causes: &[
            "the disk is full",
            "the state folder of rminer may not be written",
        ],
        remedies: &[
            "make room, or give rminer a state folder that it may write, and ask for a new code",
        ],
    },
    Entry {
        code: "not-found",
        meaning: "There is nothing at this path.",
        causes: &[
            "a typing error, or a path of another version",
        ],
        remedies: &[
            "GET /api/v1/openapi.json lists what there is",
        ],
    },
    Entry {
        code: "not-json",
        meaning: "The body of an order is not sent as JSON.",
        causes: &[
            "the header Content-Type is missing",
        ],
        remedies: &[
            "Content-Type: application/json",
        ],
    },
    Entry {
        code: "not-ready",
        meaning: "The miner does not mine yet, or not now.",
        causes: &[
            "it has just started, or waits for a pool",
            "it ends",
        ],
        remedies: &[
            "rminer status says what it does",
        ],
    },
    Entry {
        code: "origin-not-allowed",
        meaning: "A page of another origin asked, and is not allowed to.",
        causes: &[
            "a dashboard in a browser that was not named",
        ],
        remedies: &[
            "--api-allow-origin ORIGIN, if you trust all of that page",
        ],
    },
    Entry {
        code: "owner-only",
        meaning: "A paired device asked for what only the owner's token may do: letting others in or out.",
        causes: &[
            "rminer ctl pair with the token of a paired device",
        ],
        remedies: &[
            "use the token of the rig, which is in its state folder",
        ],
    },
    Entry {
        code: "read-only",
        meaning: "This device was paired to look, and gave an order.",
        causes: &[
            "it was let in with rminer ctl pair --read",
        ],
        remedies: &[
            "pair it anew on the rig: rminer ctl pair",
        ],
    },
    Entry {
        code: "refused",
        meaning: "The miner said no to an order, for the reason that it gives.",
        causes: &[
            "the order does not fit what it does now",
        ],
        remedies: &[
            "read its words",
        ],
    },
    Entry {
        code: "stopping",
        meaning: "The miner is stopping, and takes no more orders.",
        causes: &[
            "somebody ended it",
        ],
        remedies: &[
            "wait until it is started again",
        ],
    },
    Entry {
        code: "too-many-codes",
        meaning: "More than ten codes for pairing came within a minute, from everybody together.",
        causes: &[
            "somebody guesses, or a form is sent again and again",
        ],
        remedies: &[
            "wait a minute; orders are taken all the same",
        ],
    },
    Entry {
        code: "too-many-connections",
        meaning: "Too many connections to the interface are open.",
        causes: &[
            "dashboards that do not close theirs",
        ],
        remedies: &[
            "close some, or try again later",
        ],
    },
    Entry {
        code: "too-many-orders",
        meaning: "Orders come faster than anybody gives them.",
        causes: &[
            "a script in a loop",
        ],
        remedies: &[
            "give them once, and wait for the answer",
        ],
    },
    Entry {
        code: "too-many-paired",
        meaning: "As many devices are paired as can be.",
        causes: &[
            "old phones and browsers are still in the list",
        ],
        remedies: &[
            "rminer ctl paired lists them, rminer ctl unpair NUMBER takes one out",
        ],
    },
    Entry {
        code: "too-many-streams",
        meaning: "Too many readers follow the events.",
        causes: &[
            "pages that are left open",
        ],
        remedies: &[
            "close some of them",
        ],
    },
    Entry {
        code: "too-many-wrong-tokens",
        meaning: "Somebody at this address tried too many wrong tokens, and must wait.",
        causes: &[
            "a script or a page with an old token",
        ],
        remedies: &[
            "wait a minute, and correct the token",
        ],
    },
    Entry {
        code: "too-often",
        meaning: "The miner is asked too often.",
        causes: &[
            "a script in a loop",
            "wrong tokens before",
        ],
        remedies: &[
            "wait as long as the message says",
        ],
    },
    Entry {
        code: "unauthorized",
        meaning: "The token is missing or wrong.",
        causes: &[
            "reading needs it on any address but loopback, and orders need it always",
        ],
        remedies: &[
            "Authorization: Bearer TOKEN; the miner keeps it in its state folder, as api-token",
        ],
    },
    Entry {
        code: "unknown-host",
        meaning: "The request names a host that is no name of this machine.",
        causes: &[
            "a page of somebody else that was made to ask this machine",
            "a name of yours that the miner does not know",
        ],
        remedies: &[
            "--api-allow-host NAME, if it is yours",
        ],
    },
    Entry {
        code: "wrong-code",
        meaning: "The code for pairing is wrong, was used, or is too old.",
        causes: &[
            "a code is good once, for five minutes and five tries",
            "a newer code was asked for",
        ],
        remedies: &[
            "ask for a new one on the rig: rminer ctl pair",
        ],
    },
    Entry {
        code: "wrong-program",
        meaning: "What listens there does not answer as rminer does.",
        causes: &[
            "another program has this port",
            "another version of rminer",
        ],
        remedies: &[
            "--host ADDRESS:PORT names another one",
        ],
    },
];
