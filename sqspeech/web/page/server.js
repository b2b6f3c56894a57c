// Requests to the server; what it refuses is an Error with its sentence.

export async function ask(path, options = {}) {
  const response = await fetch(path, options).catch(() => null);
  if (!response) throw new Error("the server does not answer; see whether it still runs");
  if (response.ok) return response.json();
  throw new Error(sentence(await response.text(), response.status));
}

export function order(given) {
  return ask("jobs", { method: "POST", body: JSON.stringify(given) });
}

// fetch does not tell how much has been sent.
export function send(blob, name, sent) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.upload.onprogress = ({ loaded, total }) => sent(loaded / total);
    request.onload = () => {
      if (request.status === 200) resolve(JSON.parse(request.responseText));
      else reject(new Error(sentence(request.responseText, request.status)));
    };
    request.onerror = () => reject(new Error(`${name}: the server ended the upload; see whether it still runs`));
    request.open("POST", `recordings?name=${encodeURIComponent(name)}`);
    request.send(blob);
  });
}

function sentence(text, status) {
  try {
    return JSON.parse(text).sentence;
  } catch {
    return `the server answered ${status}; see where it was started`;
  }
}
