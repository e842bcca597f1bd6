// SPDX-License-Identifier: BSD-2-Clause
// Sockets as a JVM uses them: a selector, threads that block, com.sun.net.httpserver, and what it
// does to wake a thread from a descriptor that another one closes (dup2 over it, and a signal).
//
//   java JvmEcho.java server ADDRESS PORT    PORT: selector, PORT+1: threads, PORT+2: HTTP,
//                                            PORT+3: says of each way to end a call how it ended
//   java JvmEcho.java client ADDRESS PORT
import com.sun.net.httpserver.HttpServer;
import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.util.*;
import java.util.concurrent.*;

public class JvmEcho {
	static final int BYTES = 200_000, CLIENTS = 8, ROUNDS = 20;

	interface Blocking {
		void run() throws Exception;
	}

	static void thread(Blocking b) {
		Thread t = new Thread(() -> {
			try {
				b.run();
			} catch (Exception e) {
				e.printStackTrace();
			}
		});
		t.setDaemon(true);
		t.start();
	}

	// ---- server ---------------------------------------------------------------------------

	static void selector(InetSocketAddress at) throws Exception {
		Selector sel = Selector.open();
		ServerSocketChannel l = ServerSocketChannel.open().bind(at);
		l.configureBlocking(false);
		l.register(sel, SelectionKey.OP_ACCEPT);
		for (;;) {
			sel.select();
			for (Iterator<SelectionKey> it = sel.selectedKeys().iterator(); it.hasNext();) {
				SelectionKey key = it.next();
				it.remove();
				if (key.isAcceptable()) {
					SocketChannel c = l.accept();
					if (c == null)
						continue;
					c.configureBlocking(false);
					c.register(sel, SelectionKey.OP_READ, ByteBuffer.allocate(65536));
					continue;
				}
				SocketChannel c = (SocketChannel) key.channel();
				ByteBuffer b = (ByteBuffer) key.attachment();
				if (key.isReadable() && c.read(b) < 0) {
					c.close();
					continue;
				}
				b.flip();
				c.write(b);
				b.compact();
				int more = b.position() > 0 ? SelectionKey.OP_WRITE : 0;
				key.interestOps(SelectionKey.OP_READ | more);
			}
		}
	}

	static void threads(InetSocketAddress at) throws Exception {
		ServerSocket l = new ServerSocket();
		l.bind(at);
		for (;;) {
			Socket s = l.accept();
			thread(() -> {
				try (s) {
					s.getInputStream().transferTo(s.getOutputStream());
				}
			});
		}
	}

	static void http(InetSocketAddress at) throws Exception {
		HttpServer h = HttpServer.create(at, 0);
		h.createContext("/", x -> {
			byte[] body = x.getRequestBody().readAllBytes();
			x.sendResponseHeaders(200, body.length == 0 ? -1 : body.length);
			try (OutputStream out = x.getResponseBody()) {
				out.write(body);
			}
		});
		h.setExecutor(Executors.newCachedThreadPool());
		h.start();
	}

	// How a call ends that another thread ends by what it does 200 ms later.
	static String ended(Blocking call, Blocking end) throws Exception {
		CompletableFuture<String> how = new CompletableFuture<>();
		Thread t = new Thread(() -> {
			try {
				call.run();
				how.complete("done");
			} catch (Throwable e) {
				how.complete(e.getClass().getSimpleName());
			}
		});
		t.setDaemon(true);
		t.start();
		Thread.sleep(200);
		if (end == null)
			t.interrupt();
		else
			end.run();
		try {
			return how.get(5, TimeUnit.SECONDS);
		} catch (TimeoutException e) {
			return "stuck";
		}
	}

	static ServerSocketChannel fresh(InetSocketAddress at) throws Exception {
		return ServerSocketChannel.open().bind(new InetSocketAddress(at.getAddress(), 0));
	}

	// Each connection is a place to block in: what is said ends up on the connection itself.
	static void endings(InetSocketAddress at) throws Exception {
		ServerSocketChannel l = ServerSocketChannel.open().bind(at);
		for (;;) {
			SocketChannel say = l.accept(), a = l.accept(), b = l.accept(), c = l.accept();
			ServerSocketChannel idle = fresh(at);
			ServerSocket plain = new ServerSocket();
			plain.bind(new InetSocketAddress(at.getAddress(), 0));
			ServerSocket timed = new ServerSocket();
			timed.bind(new InetSocketAddress(at.getAddress(), 0));
			timed.setSoTimeout(100);
			ByteBuffer one = ByteBuffer.allocate(1);
			String how = String.join(" ", ended(() -> a.read(one), () -> a.close()),
				ended(() -> b.read(one), null),
				ended(() -> c.read(one), () -> c.shutdownInput()),
				ended(() -> idle.accept(), () -> idle.close()),
				ended(() -> plain.accept(), () -> plain.close()),
				ended(() -> timed.accept(), () -> {}));
			timed.close();
			say.write(ByteBuffer.wrap(how.getBytes()));
			say.close();
			c.close();
		}
	}

	// ---- client ---------------------------------------------------------------------------

	static byte[] bytes(int seed) {
		byte[] b = new byte[BYTES];
		new Random(seed).nextBytes(b);
		return b;
	}

	static void echo(InetAddress addr, int port, int seed) throws Exception {
		byte[] out = bytes(seed);
		try (Socket s = new Socket(addr, port)) {
			s.setTcpNoDelay(true);
			thread(() -> s.getOutputStream().write(out));
			if (!Arrays.equals(s.getInputStream().readNBytes(BYTES), out))
				throw new IOException("echo differs");
			for (int i = 0; i < ROUNDS; i++) {
				s.getOutputStream().write(i);
				if (s.getInputStream().read() != i)
					throw new IOException("round differs");
			}
			s.shutdownOutput();
			if (s.getInputStream().read() != -1)
				throw new IOException("no end");
		}
	}

	static void fetch(InetAddress addr, int port, int seed) throws Exception {
		byte[] out = bytes(seed);
		for (int i = 0; i < 5; i++) {
			URL url = new URL("http", addr.getHostAddress(), port, "/");
			HttpURLConnection c = (HttpURLConnection) url.openConnection();
			c.setDoOutput(true);
			c.setFixedLengthStreamingMode(BYTES);
			c.getOutputStream().write(out);
			if (!Arrays.equals(c.getInputStream().readAllBytes(), out))
				throw new IOException("body differs");
		}
	}

	static void client(InetAddress addr, int port) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(3 * CLIENTS);
		List<Future<?>> all = new ArrayList<>();
		for (int i = 0; i < CLIENTS; i++) {
			int seed = i;
			for (int p = 0; p < 3; p++) {
				int which = p;
				all.add(pool.submit(() -> {
					if (which < 2)
						echo(addr, port + which, seed);
					else
						fetch(addr, port + which, seed);
					return null;
				}));
			}
		}
		for (Future<?> f : all)
			f.get(60, TimeUnit.SECONDS);
		List<Socket> held = new ArrayList<>();
		for (int i = 0; i < 4; i++)
			held.add(new Socket(addr, port + 3));
		System.out.println("ok " + new String(held.get(0).getInputStream().readAllBytes()).trim());
		System.exit(0);
	}

	public static void main(String[] args) throws Exception {
		InetAddress addr = InetAddress.getByName(args[1]);
		int port = Integer.parseInt(args[2]);
		if (args[0].equals("client")) {
			client(addr, port);
			return;
		}
		thread(() -> selector(new InetSocketAddress(addr, port)));
		thread(() -> threads(new InetSocketAddress(addr, port + 1)));
		thread(() -> http(new InetSocketAddress(addr, port + 2)));
		endings(new InetSocketAddress(addr, port + 3));
	}
}
