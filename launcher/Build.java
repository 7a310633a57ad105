import com.sun.source.util.JavacTask;
import com.sun.source.util.TaskEvent;
import com.sun.source.util.TaskListener;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.URL;
import java.net.URLClassLoader;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.FileTime;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import javax.tools.Diagnostic;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileObject;
import javax.tools.StandardJavaFileManager;

/**
 * Compiles what the launcher runs, in one process and without Maven: the modules that are not for
 * tests, a jar of each, and a cache of classes from a first run. {@code java Build.java ROOT STATE
 * always|stale|campaign JVM-OPTIONS...}, by a JDK 25; {@code campaign} adds to the build that
 * counts what campaigns on many computers need and nothing else does.
 *
 * <p>A build is a folder of its own in STATE that is never changed after. The file {@code built} in
 * STATE names the one that counts, and is replaced as a whole: whoever is interrupted, or reads
 * while somebody else builds, has the old one or the new one. Its lines are the root of the
 * sources, STATE, the JDK, that JDK's version, and the folder; its time is that of the build's
 * start, so that what is edited meanwhile is newer.
 */
public final class Build {
  private static final List<String> MODULES =
      List.of("ghcb", "x86", "machine", "guest", "fuzz", "cli", "bench");

  /** A library of Maven Central. */
  private record Library(String group, String name, String version, String sha256) {}

  /** Libraries that pom.xml has version and digest of: group and name. */
  private static final List<List<String>> LIBRARIES =
      List.of(List.of("info.picocli", "picocli"), List.of("org.jspecify", "jspecify"));

  /** What the program does not need when it runs. */
  private static final String ANNOTATIONS = "jspecify";

  private static final String CAMPAIGN = "campaign";

  private static final String CENTRAL = "https://repo.maven.apache.org/maven2";
  private static final Duration PATIENCE = Duration.ofSeconds(60);

  /** What went wrong, in a line or in the compiler's words. */
  private static final class Failed extends Exception {
    private static final long serialVersionUID = 1;

    Failed(String message) {
      super(message);
    }
  }

  private final Path root;
  private final Path state;
  private final List<String> jvmOptions;
  private final String pom;
  private final boolean terminal = System.getenv("VESPER_PROGRESS") != null;
  private int shown;

  private Build(Path root, Path state, List<String> jvmOptions) throws IOException {
    this.root = root;
    this.state = state;
    this.jvmOptions = jvmOptions;
    this.pom = Files.readString(root.resolve("pom.xml"));
  }

  /** Builds and exits with 0, or says why not and exits with 2. */
  public static void main(String[] args) throws Exception {
    long started = System.currentTimeMillis();
    Path state = Path.of(args[1]);
    Build b = new Build(Path.of(args[0]), state, List.of(args).subList(3, args.length));
    int status = 0;
    try (FileChannel c = lockFile(state.resolve("lock"))) {
      FileLock lock = c.tryLock();
      if (lock == null) {
        System.err.println("vesper: another build is at work here; waiting for it");
        lock = c.lock();
      }
      // What somebody else has built meanwhile is as good.
      if (args[2].equals(CAMPAIGN)) {
        b.campaign();
      } else if (!b.isFresh(args[2].equals("always") ? started : 0)) {
        b.build(started);
      }
    } catch (Failed | IOException e) {
      b.progress("");
      System.err.println("vesper: the build failed: " + (e instanceof Failed ? e.getMessage() : e));
      status = 2;
    }
    System.exit(status);
  }

  /**
   * {@return the file that who builds has locked} One of another user's, as of root's, is replaced.
   */
  private static FileChannel lockFile(Path p) throws IOException {
    try {
      return FileChannel.open(p, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    } catch (AccessDeniedException e) {
      Files.delete(p);
      return FileChannel.open(p, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    }
  }

  /** Shows on a terminal, in one line, how far the build has come. */
  private void progress(String what) {
    if (terminal) {
      System.err.print("\r" + what + " ".repeat(Math.max(0, shown - what.length())) + "\r" + what);
      shown = what.length();
    }
  }

  private List<String> record() {
    try {
      return Files.readAllLines(state.resolve("built"));
    } catch (IOException e) {
      return List.of();
    }
  }

  private static String jdkVersion() throws IOException {
    Path release = Path.of(System.getProperty("java.home"), "release");
    if (!Files.isReadable(release)) {
      return "";
    }
    return Files.readAllLines(release).stream()
        .filter(l -> l.startsWith("JAVA_VERSION="))
        .findFirst()
        .orElse("");
  }

  /** {@return whether the build that counts is of these sources, and none older than a time} */
  private boolean isFresh(long since) throws IOException {
    List<String> r = record();
    if (r.size() != 5
        || !r.subList(0, 2).equals(List.of(root.toString(), state.toString()))
        || !r.get(2).equals(jdk())
        || !r.get(3).equals(jdkVersion())
        || !Files.isDirectory(state.resolve(r.get(4)))) {
      return false;
    }
    long stamp = Files.getLastModifiedTime(state.resolve("built")).toMillis();
    return stamp >= since && newest() <= stamp;
  }

  private static String jdk() {
    return System.getenv("JAVA_HOME");
  }

  private long newest() throws IOException {
    long newest = Files.getLastModifiedTime(root.resolve("pom.xml")).toMillis();
    Path launcher = root.resolve("launcher");
    List<Path> folders =
        new ArrayList<>(List.of(launcher.resolve("Build.java"), launcher.resolve("jvm.options")));
    MODULES.forEach(m -> folders.add(root.resolve(m).resolve("src/main")));
    for (Path folder : folders) {
      newest = Math.max(newest, newest(folder));
    }
    return newest;
  }

  /** {@return when the newest of a folder was changed} */
  private static long newest(Path folder) throws IOException {
    long newest = 0;
    try (Stream<Path> s = Files.walk(folder)) {
      for (Path p : s.toList()) {
        newest = Math.max(newest, Files.getLastModifiedTime(p).toMillis());
      }
    }
    return newest;
  }

  private void build(long started) throws Failed, IOException {
    System.err.println("vesper: building (only when sources change)");
    sweep();
    // Others may read it, as far as the user's mask lets them: a temporary folder's mode would not.
    Path folder =
        Files.createDirectory(
            state.resolve("build-" + started + "-" + ProcessHandle.current().pid()));
    Thread hook = new Thread(() -> remove(folder));
    Runtime.getRuntime().addShutdownHook(hook);
    Path classes = folder.resolve("classes");
    Path lib = Files.createDirectories(folder.resolve("lib"));
    List<Path> libraries = new ArrayList<>();
    for (List<String> l : LIBRARIES) {
      progress("libraries");
      Path jar = library(named(l));
      libraries.add(jar);
      if (!l.contains(ANNOTATIONS)) {
        Files.copy(jar, lib.resolve(jar.getFileName().toString()));
      }
    }
    compile(classes, libraries);
    for (String m : MODULES) {
      Path resources = root.resolve(m).resolve("src/main/resources");
      if (Files.isDirectory(resources)) {
        copy(resources, classes.resolve("dev.vesper." + m));
      }
    }
    progress("reference guest");
    assemble(classes);
    for (String m : MODULES) {
      progress("jar of " + m);
      jar(lib.resolve("vesper-" + m + ".jar"), classes.resolve("dev.vesper." + m));
    }
    remove(classes);
    progress("first run");
    rehearse(folder);
    progress("");
    Path record = folder.resolve("record");
    Files.write(
        record,
        List.of(
            root.toString(),
            state.toString(),
            jdk(),
            jdkVersion(),
            folder.getFileName().toString()));
    Files.setLastModifiedTime(record, FileTime.fromMillis(started));
    Runtime.getRuntime().removeShutdownHook(hook);
    Files.move(
        record,
        state.resolve("built"),
        StandardCopyOption.REPLACE_EXISTING,
        StandardCopyOption.ATOMIC_MOVE);
  }

  /** Removes builds that do not count, but for the last one, which may still be starting. */
  private void sweep() throws IOException {
    List<String> r = record();
    String kept = r.isEmpty() ? "" : r.get(r.size() - 1);
    try (Stream<Path> s = Files.list(state)) {
      s.filter(p -> p.getFileName().toString().startsWith("build-"))
          .filter(p -> !p.getFileName().toString().equals(kept))
          .forEach(Build::remove);
    }
  }

  private String property(String name) throws Failed {
    Matcher m = Pattern.compile("<" + Pattern.quote(name) + ">([^<]*)<").matcher(pom);
    if (!m.find()) {
      throw new Failed("pom.xml has no property " + name);
    }
    return m.group(1);
  }

  /** {@return a library as pom.xml has it} */
  private Library named(List<String> groupAndName) throws Failed {
    String name = groupAndName.get(1);
    return new Library(
        groupAndName.get(0), name, property(name + ".version"), property(name + ".sha256"));
  }

  /**
   * Adds module campaign and its libraries to the build that counts, in a folder of their own, if
   * they are not there or older than their sources. Infinispan's jars are no modules: they stay on
   * the class path, for which the launcher has that module read it.
   */
  private void campaign() throws Failed, IOException {
    Path build = state.resolve(record().getLast());
    Path done = build.resolve(CAMPAIGN);
    Path sources = root.resolve(CAMPAIGN).resolve("src/main");
    Path list = root.resolve(CAMPAIGN).resolve("libraries.txt");
    long newest = Math.max(newest(sources), Files.getLastModifiedTime(list).toMillis());
    if (Files.isDirectory(done) && Files.getLastModifiedTime(done).toMillis() >= newest) {
      return;
    }
    System.err.println("vesper: building what campaigns on many computers need");
    long started = System.currentTimeMillis();
    Path folder = Files.createDirectory(build.resolve(CAMPAIGN + "-" + started));
    Thread hook = new Thread(() -> remove(folder));
    Runtime.getRuntime().addShutdownHook(hook);
    Path lib = Files.createDirectory(folder.resolve("lib"));
    for (String line : Files.readAllLines(list)) {
      if (!line.startsWith("#")) {
        String[] w = line.split(" ", -1);
        Path jar = library(new Library(w[0], w[1], w[2], w[3]));
        Files.copy(jar, lib.resolve(jar.getFileName().toString()));
      }
    }
    Path classes = folder.resolve("classes");
    List<String> options =
        new ArrayList<>(List.of("--release", "25", "-g", "-proc:none", "-nowarn"));
    List<Path> modules = List.of(build.resolve("lib"), library(named(LIBRARIES.get(1))));
    options.addAll(List.of("-d", classes.toString(), "-p", joined(modules)));
    try (Stream<Path> jars = Files.list(lib)) {
      options.addAll(List.of("-cp", joined(jars.toList())));
    }
    options.addAll(List.of("--add-reads", "dev.vesper.campaign=ALL-UNNAMED"));
    options.addAll(List.of("--module-version", version()));
    try (Stream<Path> s = Files.walk(sources)) {
      compile(options, s.filter(p -> p.toString().endsWith(".java")).toList());
    }
    copy(sources.resolve("resources"), classes);
    jar(folder.resolve("vesper-campaign.jar"), classes);
    remove(classes);
    remove(done);
    Files.move(folder, done);
    Files.setLastModifiedTime(done, FileTime.fromMillis(started));
    Runtime.getRuntime().removeShutdownHook(hook);
  }

  /** {@return a library from the local repository, or fetched once} */
  private Path library(Library l) throws Failed, IOException {
    String version = l.version;
    String digest = l.sha256;
    String name = l.name + "-" + version + ".jar";
    String path = l.group.replace('.', '/') + "/" + l.name + "/" + version + "/" + name;
    Path fetched = state.resolve("fetched").resolve(name);
    for (Path p : List.of(repository().resolve(path), fetched)) {
      if (Files.isReadable(p) && sha256(Files.readAllBytes(p)).equals(digest)) {
        return p;
      }
    }
    String mirror = System.getenv().getOrDefault("MAVEN_MIRROR", CENTRAL);
    String why;
    try {
      byte[] jar = get(URI.create(mirror + "/" + path));
      if (!sha256(jar).equals(digest)) {
        throw new Failed(mirror + "/" + path + " is not the file that pom.xml names by its digest");
      }
      Files.createDirectories(fetched.getParent());
      Path part = Files.write(fetched.resolveSibling(name + ".part"), jar);
      return Files.move(part, fetched, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException | IllegalArgumentException e) {
      why = mirror + "/" + path + ": " + e;
    }
    // Maven knows proxies and mirrors that its own settings name.
    int status =
        run(
            null,
            List.of(
                isWindows() ? "mvn.cmd" : "mvn",
                "-q",
                "-B",
                "-f",
                root.resolve("pom.xml").toString(),
                "-N",
                "-Dmaven.repo.local=" + repository(),
                "dependency:get",
                "-Dtransitive=false",
                "-Dartifact=" + l.group + ":" + l.name + ":" + version));
    Path p = repository().resolve(path);
    if (status != 0 || !Files.isReadable(p)) {
      throw new Failed(
          "no library " + name + " (" + why + "); set MAVEN_MIRROR to a copy of Maven Central");
    }
    return p;
  }

  private static boolean isWindows() {
    return System.getProperty("os.name").startsWith("Windows");
  }

  private static Path repository() {
    String named = System.getenv("MAVEN_REPO");
    return named == null || named.isEmpty()
        ? Path.of(System.getProperty("user.home"), ".m2", "repository")
        : Path.of(named);
  }

  private static byte[] get(URI from) throws IOException {
    try (HttpClient c =
        HttpClient.newBuilder()
            .followRedirects(HttpClient.Redirect.NORMAL)
            .connectTimeout(PATIENCE)
            .build()) {
      HttpResponse<byte[]> r =
          c.send(
              HttpRequest.newBuilder(from).timeout(PATIENCE).build(),
              HttpResponse.BodyHandlers.ofByteArray());
      if (r.statusCode() != 200) {
        throw new IOException("HTTP status " + r.statusCode());
      }
      return r.body();
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
  }

  private static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (java.security.NoSuchAlgorithmException e) {
      throw new AssertionError(e);
    }
  }

  /** Compiles all modules at once, as Maven does one by one. */
  private void compile(Path out, List<Path> libraries) throws Failed, IOException {
    List<String> options = new ArrayList<>(List.of("--release", "25", "-g", "-proc:none"));
    options.addAll(List.of("-d", out.toString(), "-p", joined(libraries)));
    options.addAll(List.of("--module-version", version()));
    List<Path> sources = new ArrayList<>();
    for (String m : MODULES) {
      Path source = root.resolve(m).resolve("src/main/java");
      options.addAll(List.of("--module-source-path", "dev.vesper." + m + "=" + source));
      try (Stream<Path> s = Files.walk(source)) {
        s.filter(p -> p.toString().endsWith(".java")).forEach(sources::add);
      }
    }
    compile(options, sources);
  }

  private void compile(List<String> options, List<Path> sources) throws Failed, IOException {
    JavaCompiler javac = javax.tools.ToolProvider.getSystemJavaCompiler();
    DiagnosticCollector<JavaFileObject> said = new DiagnosticCollector<>();
    StringWriter other = new StringWriter();
    boolean compiled;
    try (StandardJavaFileManager files = javac.getStandardFileManager(said, null, null)) {
      JavaCompiler.CompilationTask task =
          javac.getTask(
              new PrintWriter(other),
              files,
              said,
              options,
              null,
              files.getJavaFileObjectsFromPaths(sources));
      ((JavacTask) task).addTaskListener(listener(sources.size()));
      compiled = task.call();
    }
    if (!compiled) {
      StringBuilder b = new StringBuilder("the compiler says\n").append(other);
      said.getDiagnostics().stream()
          .filter(d -> d.getKind() == Diagnostic.Kind.ERROR)
          .forEach(d -> b.append(d).append('\n'));
      throw new Failed(b.toString().stripTrailing());
    }
  }

  private TaskListener listener(int sources) {
    return new TaskListener() {
      private int analyzed;

      @Override
      public void finished(TaskEvent e) {
        if (e.getKind() == TaskEvent.Kind.ANALYZE && ++analyzed % 16 == 0) {
          progress("classes: " + Math.min(99, analyzed * 100 / sources) + " %");
        }
      }
    };
  }

  private String version() {
    Matcher m =
        Pattern.compile("<artifactId>vesper</artifactId>\\s*<version>([^<]*)<").matcher(pom);
    return m.find() ? m.group(1) : "0";
  }

  private static String joined(List<Path> paths) {
    return String.join(java.io.File.pathSeparator, paths.stream().map(Path::toString).toList());
  }

  /** Has the reference guest's image made beside its class, so that no run has to. */
  private static void assemble(Path classes) throws Failed, IOException {
    List<URL> urls = new ArrayList<>();
    for (String m : MODULES) {
      urls.add(classes.resolve("dev.vesper." + m).toUri().toURL());
    }
    try (URLClassLoader l = new URLClassLoader(urls.toArray(new URL[0]), null)) {
      Path guest = classes.resolve("dev.vesper.guest/dev/vesper/guest");
      l.loadClass("dev.vesper.guest.Locore")
          .getMethod("main", String[].class)
          .invoke(null, (Object) new String[] {guest.toString()});
    } catch (ReflectiveOperationException e) {
      throw new Failed("the reference guest: " + (e.getCause() == null ? e : e.getCause()));
    }
  }

  private static void jar(Path jar, Path classes) throws Failed {
    StringWriter said = new StringWriter();
    PrintWriter w = new PrintWriter(said);
    int status =
        ToolProvider.findFirst("jar")
            .orElseThrow(() -> new Failed("this JDK has no jar tool"))
            .run(
                w,
                w,
                "--create",
                "--no-compress",
                "--file",
                jar.toString(),
                "-C",
                classes.toString(),
                ".");
    if (status != 0) {
      throw new Failed("jar: " + said);
    }
  }

  /**
   * Runs the reference guest, which notes for the JVM what a start needs, and what looks on. A
   * start without the cache is slower and no more, so that a failure here is none.
   */
  private void rehearse(Path folder) throws IOException {
    Path cache = folder.resolve("vesper.aot");
    Path trace = folder.resolve("trained.jsonl");
    List<String> line = new ArrayList<>();
    line.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    line.addAll(jvmOptions);
    line.add("-XX:AOTCacheOutput=" + cache);
    line.addAll(List.of("-p", folder.resolve("lib").toString()));
    line.addAll(List.of("-m", "dev.vesper.cli/dev.vesper.cli.Rehearsal"));
    line.addAll(List.of("run", "--check", "--trace", trace.toString()));
    if (run(folder.resolve("rehearsal.log"), line) != 0) {
      Files.deleteIfExists(cache);
    }
    Files.deleteIfExists(trace);
  }

  /**
   * {@return the exit status of a program}
   *
   * @param log where what it says goes; null for nowhere
   */
  private static int run(Path log, List<String> line) throws IOException {
    ProcessBuilder b = new ProcessBuilder(line).redirectErrorStream(true);
    b.redirectOutput(
        log == null ? ProcessBuilder.Redirect.DISCARD : ProcessBuilder.Redirect.to(log.toFile()));
    try {
      Process p = b.start();
      p.getOutputStream().close();
      return p.waitFor();
    } catch (IOException e) {
      return -1;
    } catch (InterruptedException e) {
      throw new IOException(e);
    }
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> s = Files.walk(from)) {
      for (Path p : s.toList()) {
        Path target = to.resolve(from.relativize(p).toString());
        if (Files.isDirectory(p)) {
          Files.createDirectories(target);
        } else {
          Files.copy(p, target, StandardCopyOption.REPLACE_EXISTING);
        }
      }
    }
  }

  /** Removes a folder as far as the system lets it. */
  private static void remove(Path folder) {
    try {
      Files.walkFileTree(
          folder,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path p, BasicFileAttributes a) {
              p.toFile().delete();
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path p, IOException e) {
              p.toFile().delete();
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException e) {
      // What stays is removed by the next build.
      return;
    }
  }
}
