/// The server of a volume: the one authority over its space, locks, commit logs and mounts.
///
/// Start at [ServerCore]: a request goes in, a [Decision] comes out. [ServerState] is what the server knows and may not
/// forget, built from the events of `cairn/journal.proto`; [ServerCore] adds what a new term builds afresh, the [LockTable]
/// and the leases. [MergePlanner] decides what is merged next, [Checks] what a request may claim. All of these are pure.
///
/// The actors around them: [ServerEntity] collects requests and begins terms, [ServerTerm] persists and sends. A node takes
/// its slot with [QuorumNode], which forms the cluster (`cairn-cluster.conf`), opens the journal (`dev.cairn.quorum.journal`)
/// and lets cluster sharding decide where the server runs. [CairnSerializer] is what travels and what is kept.
///
/// Which loggers to turn down, and why, is in `logback-quiet.xml`.
package dev.cairn.quorum;
