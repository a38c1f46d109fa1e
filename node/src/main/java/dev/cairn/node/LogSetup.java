package dev.cairn.node;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.LoggerContext;
import ch.qos.logback.classic.encoder.PatternLayoutEncoder;
import ch.qos.logback.classic.spi.Configurator;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.ConsoleAppender;
import ch.qos.logback.core.spi.ContextAwareBase;
import org.slf4j.LoggerFactory;

/// One readable line for each event, on standard error. The libraries below us speak only when something is wrong; Cairn
/// itself says the few things that an operator wants to find afterwards. Found by logback through META-INF/services: in
/// code because an XML file costs a tenth of a second at every start.
public final class LogSetup extends ContextAwareBase implements Configurator {
    private static final String LINE = "%d{yyyy-MM-dd HH:mm:ss.SSS} %-5level %logger{0} %msg%n";

    @Override
    public ExecutionStatus configure(LoggerContext context) {
        if (System.getProperty("logback.configurationFile") != null) return ExecutionStatus.INVOKE_NEXT_IF_ANY;
        var encoder = new PatternLayoutEncoder();
        encoder.setContext(context);
        encoder.setPattern(LINE);
        encoder.start();
        var console = new ConsoleAppender<ILoggingEvent>();
        console.setContext(context);
        console.setName("stderr");
        console.setTarget("System.err");
        console.setEncoder(encoder);
        console.start();
        var root = context.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
        root.setLevel(Level.WARN);
        root.addAppender(console);
        // Ratis warns about every ordinary election and about its own pauses; Pekko about settings it finds unusual.
        for (var chatty : new String[] {"org.apache.ratis", "org.apache.pekko.cluster", "org.apache.pekko.remote"})
            context.getLogger(chatty).setLevel(Level.ERROR);
        return ExecutionStatus.DO_NOT_INVOKE_NEXT_IF_ANY;
    }

    /// Of Cairn's own messages.
    public static void level(NodeConfig.LogLevel level) {
        if (LoggerFactory.getILoggerFactory() instanceof LoggerContext context)
            context.getLogger("dev.cairn").setLevel(Level.toLevel(level.name()));
    }
}
