/// A device in memory for tests of every module: it forgets what was not flushed, fails on request, and shows any
/// state that a power cut could have left. See [SimulatedDevice] and, for crashes of several devices at the same
/// instant, [Recording].
package dev.cairn.block.simulated;
