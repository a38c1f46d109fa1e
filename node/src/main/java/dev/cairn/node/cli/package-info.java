/// The command line. [Cairn] is the root, each subcommand is one class named after it.
///
/// A command either works and ends with 0, or says in one line on standard error what is wrong and what to do and ends
/// with another code ([CommandFailure]); `CAIRN_DEBUG=1` adds the stack trace. Questions to a mounted volume go through
/// an ioctl on the mount ([VolumePort]), orders to a running node through its admin HTTP ([NodePort]).
package dev.cairn.node.cli;
