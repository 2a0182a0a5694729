/** Requests that tell how far they are: `fetch` cannot say what it has sent. */
import { authorization, keyIsVoid } from "../../api/key";
import type { Answer, Send } from "./upload";

/** A connection on which nothing moves for so long is given up. */
const SILENCE_MS = 45_000;

export const sendByXhr: Send = ({ method, url, headers, body, signal, onSent }) =>
  new Promise<Answer>((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    let silence: ReturnType<typeof setTimeout>;
    const heard = () => {
      clearTimeout(silence);
      silence = setTimeout(() => xhr.abort(), SILENCE_MS);
    };
    const abort = () => xhr.abort();
    signal.addEventListener("abort", abort);
    xhr.upload.onprogress = ({ loaded }) => {
      heard();
      onSent?.(loaded);
    };
    xhr.onload = async () => {
      // Who asked is not told: the form for a key comes in place of the page.
      if (xhr.status !== 401 || !(await keyIsVoid())) {
        resolve({ status: xhr.status, header: (name) => xhr.getResponseHeader(name), body: xhr.responseText });
      }
    };
    xhr.onerror = () => reject(new Error("the connection was lost"));
    xhr.onabort = () => reject(new Error("the connection was given up"));
    xhr.onloadend = () => {
      clearTimeout(silence);
      signal.removeEventListener("abort", abort);
    };
    xhr.open(method, url);
    for (const [name, value] of Object.entries({ ...headers, ...authorization() })) {
      xhr.setRequestHeader(name, value);
    }
    heard();
    xhr.send(body ?? null);
  });
