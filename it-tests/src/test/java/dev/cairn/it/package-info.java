/// Whole-system tests: a real node in its own JVM, mounted through the kernel, killed for real, checked against what the
/// user was promised.
///
/// Start at [dev.cairn.it.TestVolume], the volume under test. [dev.cairn.it.KillLoopTest] is the test of rule 1 of the
/// architecture. The long forms run with `mvn verify -Dcairn.long`.
package dev.cairn.it;
