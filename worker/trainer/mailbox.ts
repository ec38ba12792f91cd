/** Messages in the order they came, for one reader that awaits them. */
export class Mailbox<Message> {
  private readonly waiting: Message[] = [];
  private reader: { resolve(message: Message): void; reject(error: Error): void } | null = null;
  private failure: Error | null = null;

  put(message: Message): void {
    if (this.reader === null) {
      this.waiting.push(message);
    } else {
      this.reader.resolve(message);
      this.reader = null;
    }
  }

  /** The next message; rejects once the mailbox has failed and what came before is read. */
  next(): Promise<Message> {
    const message = this.waiting.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.failure !== null) return Promise.reject(this.failure);
    return new Promise((resolve, reject) => {
      this.reader = { resolve, reject };
    });
  }

  /** No more messages will come, for this reason. */
  fail(error: Error): void {
    this.failure ??= error;
    this.reader?.reject(this.failure);
    this.reader = null;
  }
}
