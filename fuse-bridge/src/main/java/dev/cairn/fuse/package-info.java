/// The kernel's FUSE protocol, spoken directly by java.lang.foreign, over `/dev/fuse` or io_uring: no JNI, no libfuse. Kernel requests
/// become operations for the mount's coordinator, and their results become replies.
///
/// Start at [FuseSession]: it mounts, and its reader threads own the loop. [FuseRequest] is one request on its way, from
/// the bytes that the kernel wrote to the reply: [RequestSlot] is the memory of both, [RequestRun] its way through
/// threads, [DataRequest] what takes several operations with I/O between them. [RequestDecoder] is the table from opcode
/// to `FileSystem` call. [FuseProtocol] holds every offset and number of the protocol and nothing else, [ReplyEncoder]
/// writes the structs of replies, [InitNegotiation] says which capabilities are asked for and why, [CachePolicy] how long
/// the kernel may remember, [KernelCache] makes it forget.
///
/// Requests travel by one of two ways ([Transport]), and a [ReplyLine] is where one came from. Over /dev/fuse a
/// [DeviceReader] reads and writes; [ReaderPlaces] says on which CPU, by what [ClientCounts] it has. Where the machine has
/// fuse-over-io_uring switched on, the kernel has a queue for each CPU: [Rings] starts a [RingThread] for each, which owns
/// an [IoUring] and the [RingEntry]s of its queue. [CpuPins] looks after the CPUs of other threads, [PromptCpus] has CPUs
/// wake promptly while requests come, [RequestBell] lets who watches rest while there are none.
///
/// [FuseMount] is mounting and unmounting, as root or by fusermount3, and the removal of what a killed node left.
/// [KnownInodes] counts what the kernel knows, and says when an unlinked file has lost its last user; [Reclaimer]
/// deletes it then. [AdminIoctl] is the way from the command line to a mounted volume.
///
/// What is known about the kernel's side, with measurements, is in `fuse-facts.md` of the design.
package dev.cairn.fuse;
