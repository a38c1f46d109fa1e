/// Items, transactions and commit logs of one mount.
///
/// Start at [dev.cairn.transaction.MountClient], the front door, and [dev.cairn.transaction.Coordinator], where every
/// [dev.cairn.transaction.Operation] is run against a [dev.cairn.transaction.Tx]. [dev.cairn.transaction.Transactions] holds
/// what is dirty (an [dev.cairn.transaction.ItemTable] for each transaction) and what is committed,
/// [dev.cairn.transaction.Commits] carries a transaction to durability, and
/// [dev.cairn.transaction.LockClient] and [dev.cairn.transaction.ServerSession] are the mount's side of the protocol in
/// `cairn/server.proto`. How runs look on the device, and how they are read and merged, is `dev.cairn.transaction.run`.
package dev.cairn.transaction;
