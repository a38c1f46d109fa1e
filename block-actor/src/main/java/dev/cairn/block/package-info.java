/// Devices and what is written on them outside of any file: labels, the header of metadata blocks, and the actor that
/// serves a device. Nothing here knows about items, files or free space.
///
/// Start at [BlockDevice], what everybody reads and writes through. [LocalDevice] is a file or block device of this
/// machine; `simulated.SimulatedDevice` one in memory that loses power on request. A volume is a pair of devices: made
/// by [VolumeFormat], opened by [VolumeDevices], each naming the other in its [DeviceLabel]. [MetadataBlock] is the
/// header by which a damaged, misplaced or reused block gives itself away. [BlockStorage] is the actor: flushes that
/// share, discards that wait their turn, callers that are fenced.
///
/// Label messages: `cairn/label.proto`. Calls of the C library: `Libc`, the only place of this module with downcalls.
package dev.cairn.block;
