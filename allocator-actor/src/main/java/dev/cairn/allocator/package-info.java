/// Space: which blocks are free, who holds which, and how many have to stay in reserve. Pure classes, no actor and no
/// I/O: the server's side runs inside the server entity, the mount's side inside the transaction coordinator, and every
/// one of them is used by one thread.
///
/// [ExtentSet] is a set of blocks and stands under everything else, on an [ExtentTree]. [SpacePools] is the server's account of a volume:
/// pools, shares of mounts and merge jobs, what is used; [ReservePolicy] computes from the volume's size and the mounts what it must
/// keep back. [DataZones] keeps mounts apart on the data device. [MountShare] is the other end of a grant: the blocks that one
/// mount has in hand, with [RoomAhead] for files that grow. Section 6 of docs/architecture.md is the contract; `SpacePoolsTest` and `ReservePolicyTest` play random
/// histories against it, `ServerHistoryTest` in quorum-actor whole volumes.
package dev.cairn.allocator;
