/// The journal of a volume's server: a Pekko Persistence journal and snapshot store on one Raft group (Apache Ratis) whose
/// peers are the quorum slots. An event is persisted when a majority of the slots has fsynced it.
///
/// Start at [RatisJournal][dev.cairn.quorum.journal.RatisJournal], which owns the Raft peer of this process; the plugins
/// find it through [JournalExtension][dev.cairn.quorum.journal.JournalExtension]. `JournalState` is the core: what each
/// entry of the log does. `SnapshotFile` is the state's image on disk, `JournalCheck` looks at all files before Ratis
/// does, so that damage is an error with a file's name. With one slot there is no network at all (`SingleSlotRpc`).
///
/// With one slot an entry does not wait for Ratis: `FrontLane` writes it to a short log of its own on the calling thread,
/// one fsync and no wake-up, and hands it on in the background.
///
/// Who may write: a server that starts claims its stream, which raises the epoch; entries with an older epoch, or with a
/// gap before them, change nothing. So a server that has been replaced cannot write, whatever it believes.
///
/// How much disk: the state machine keeps the events since the latest snapshot and that snapshot; when it has applied
/// [#LOG_BYTES_MAX][dev.cairn.quorum.journal.RatisJournal] of log it writes its image and drops the log before it.
package dev.cairn.quorum.journal;
