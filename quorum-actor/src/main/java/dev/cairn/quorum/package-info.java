/// The server of a volume: the one authority over its space, locks, commit logs and mounts.
///
/// Start at [ServerCore]: a request goes in, a [Decision] comes out. [ServerState] is what the server knows and may not
/// forget, built from the events of `cairn/journal.proto`; [ServerCore] adds what a new term builds afresh, the [LockTable]
/// and the leases. [MergePlanner] decides what is merged next, [Checks] what a request may claim. All of these are pure;
/// the actor around them persists, sends and measures time. The journal is `dev.cairn.quorum.journal`.
package dev.cairn.quorum;
