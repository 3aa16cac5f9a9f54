// Conversations in IndexedDB. Where a browser keeps nothing (private windows of some), they last as
// long as the page.

const TABLE = "conversations";

function wait(request) {
	return new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});
}

function open() {
	return new Promise((resolve) => {
		let request;
		try {
			request = indexedDB.open("edgelm", 1);
		} catch {
			resolve(null);
			return;
		}
		request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "id" });
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => resolve(null);
		request.onblocked = () => resolve(null);
	});
}

const database = open();

export const isKept = async () => (await database) !== null;

async function table(mode) {
	return (await database)?.transaction(TABLE, mode).objectStore(TABLE);
}

export async function loadAll() {
	const all = await table("readonly");
	return all ? wait(all.getAll()) : [];
}

export async function load(id) {
	const all = await table("readonly");
	return all ? wait(all.get(id)) : undefined;
}

export async function save(value) {
	const all = await table("readwrite");
	if (all)
		await wait(all.put(value));
}

export async function remove(id) {
	const all = await table("readwrite");
	if (all)
		await wait(all.delete(id));
}
