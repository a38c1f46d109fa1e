/// The node JAR: configuration, wiring, metrics and the admin HTTP of one JVM. The command line is in
/// [dev.cairn.node.cli].
///
/// Start at [Node], which opens devices, quorum slot, mounts and HTTP in that order and closes them in the reverse one.
/// [NodeConfig] is the configuration file, checked; [StateDirectory] is what a node keeps between its starts and how
/// other processes find it; [NodeStatus] is what it says about itself, [Condition] each thing that can be wrong;
/// [AdminHttp] shows it. Nothing in here knows about files, blocks or locks of the volume.
package dev.cairn.node;
