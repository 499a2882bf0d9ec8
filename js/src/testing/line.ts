/** A WebSocket between a client and the server in memory. */
import type { ClientMessage, ServerMessage } from "../messages.ts";

/** The client's end, as far as a client uses a WebSocket. */
export class MemorySocket {
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: string }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onerror: (() => void) | null = null;

  constructor(private readonly line: ServerLine) {}

  send(text: string): void {
    const message = JSON.parse(text) as ClientMessage;
    queueMicrotask(() => this.line.heard(message));
  }

  close(): void {
    if (this.readyState >= 2) return;
    this.readyState = 3;
    queueMicrotask(() => this.line.gone());
  }
}

/** The server's end. */
export interface ServerLine {
  heard(message: ClientMessage): void;
  gone(): void;
}

/** What the server says and does to a client's socket. */
export class Speaker {
  constructor(private readonly socket: MemorySocket) {}

  open(): void {
    queueMicrotask(() => {
      if (this.socket.readyState !== 0) return;
      this.socket.readyState = 1;
      this.socket.onopen?.();
    });
  }

  say(message: ServerMessage | object): void {
    const data = JSON.stringify(message);
    queueMicrotask(() => {
      if (this.socket.readyState === 1) this.socket.onmessage?.({ data });
    });
  }

  close(code: number, reason: string): void {
    queueMicrotask(() => {
      if (this.socket.readyState === 3) return;
      this.socket.readyState = 3;
      this.socket.onclose?.({ code, reason });
    });
  }
}
