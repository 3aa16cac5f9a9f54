// Before the first paint, so that a chosen theme does not flash; a classic script for that reason.
try {
	const theme = JSON.parse(localStorage.getItem("edgelm.settings") || "{}").theme;
	if (theme === "light" || theme === "dark")
		document.documentElement.dataset.theme = theme;
} catch {
	// Without stored settings the theme is that of the system.
}
