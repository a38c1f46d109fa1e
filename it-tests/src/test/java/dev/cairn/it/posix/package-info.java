/// What POSIX and Linux promise about files, asked of a mounted volume through the kernel.
///
/// One class for a family of system calls ([OpenTest], [RenameTest], …), each on a [PosixTest]; [DifferentialTest] plays
/// random calls on the volume and on a file system of the kernel and compares every answer. [Posix] is one user's view
/// of the kernel: each call returns what the kernel returned, or the negated errno.
///
/// The directory under test is `-Dcairn.posix.dir`, or else the mount of one volume that [VolumeUnderTest] starts for
/// the whole run. Every assertion here also holds on ext4 (`-Dcairn.posix.dir=/tmp/x`): what is tested is the standard
/// and not an opinion. Unless run as root, the tests that need several users are skipped.
package dev.cairn.it.posix;
