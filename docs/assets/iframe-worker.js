// Search on pages that are opened from a disk: browsers refuse workers there, so a hidden frame runs
// the worker's script instead. Pages of a server have real workers.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      this.frame = document.createElement("iframe")
      this.frame.hidden = true
      document.body.append(this.frame)
      const inner = this.frame.contentWindow
      this.inner = inner
      // What the script tells the page.
      inner.postMessage = data => {
        const event = new MessageEvent("message", { data })
        this.dispatchEvent(event)
        if (this.onmessage) this.onmessage(event)
      }
      const run = source =>
        new Promise((resolve, reject) => {
          const script = inner.document.createElement("script")
          script.src = new URL(source, url).href
          script.onload = resolve
          script.onerror = reject
          inner.document.body.append(script)
        })
      inner.importScripts = (...sources) =>
        sources.reduce((before, source) => before.then(() => run(source)), Promise.resolve())
      url = new URL(url, location.href).href
      this.ready = run(url)
    }
    // What the page tells the script, once that is there.
    postMessage(data) {
      this.ready.then(() => this.inner.dispatchEvent(new MessageEvent("message", { data })))
    }
    terminate() {
      this.frame.remove()
    }
  }
}
