package nft

const (
	atPre = 1 << HookPrerouting
	atIn  = 1 << HookInput
	atFwd = 1 << HookForward
	atOut = 1 << HookOutput
	atEnd = 1 << HookPostrouting
	atDev = 1 << HookIngress

	everywhere = atPre | atIn | atFwd | atOut | atEnd | atDev
)

// stmtHooks returns the hooks of the IP families at which the kernel takes what
// a statement reads and sets, as bits by Hook.
func stmtHooks(st Stmt) int {
	hooks := everywhere
	if set, ok := st.(*Assign); ok {
		if m, ok := set.Left.(*Meta); ok && m.Key == MetaPkttype {
			hooks &= atPre
		}
	}
	EachExpr(st, func(e Expr) { hooks &= exprHooks(e) })
	return hooks
}

// atEgress says whether the kernel takes a statement where frames leave.
func atEgress(st Stmt) bool {
	ok := true
	if set, is := st.(*Assign); is {
		m, is := set.Left.(*Meta)
		ok = !is || m.Key != MetaPkttype
	}
	EachExpr(st, func(e Expr) {
		if fib, is := e.(*Fib); is { // nft_fib_validate takes egress for the input hook, whose number it has
			ok = ok && (fib.Flags&FibIif != 0 || fib.Flags&FibOif == 0 && fib.Result == FibAddrType)
		}
	})
	return ok
}

// exprHooks returns where the kernel takes one expression: where what it asks
// about is known.
func exprHooks(e Expr) int {
	switch e := e.(type) {
	case *Fib:
		switch {
		case e.Result == FibAddrType && e.Flags&FibOif != 0:
			return atFwd | atOut | atEnd
		case e.Result == FibAddrType && e.Flags&FibIif == 0:
			return everywhere &^ atDev
		}
		return atPre | atIn | atFwd
	case *RT:
		if e.Key == RTMTU {
			return atFwd | atOut | atEnd
		}
	case *Meta:
		if e.sdif() {
			return atIn | atFwd
		}
		if e.Key == MetaIPsec {
			return atPre | atIn | atFwd
		}
	case *Xfrm: // nft_xfrm_validate
		if e.Out {
			return atFwd | atOut | atEnd
		}
		return atPre | atIn | atFwd
	case *Socket:
		return atPre | atIn | atOut
	case *OSF:
		return atPre | atIn | atFwd
	}
	return -1
}

// readsPrints says whether a statement asks for an operating system, which the
// kernel knows by IPv4 alone (nft_osf_validate).
func readsPrints(st Stmt) (yes bool) {
	EachExpr(st, func(e Expr) {
		_, ok := e.(*OSF)
		yes = yes || ok
	})
	return yes
}

// readsAboveLink says whether a statement in a table of frames asks for what only
// IP's chains know: the port of a VRF, and in bridge tables IPsec, routes and operating
// systems.
func readsAboveLink(st Stmt, f Family) (yes bool) {
	EachExpr(st, func(e Expr) {
		switch e := e.(type) {
		case *Meta:
			yes = yes || e.sdif() || f == FamilyBridge && e.Key == MetaIPsec
		case *RT:
			yes = yes || f == FamilyBridge
		}
	})
	return yes || f == FamilyBridge && readsPrints(st)
}

// inARP says whether the kernel takes a statement in a table of arp.
func inARP(st Stmt) bool {
	if set, ok := st.(*Assign); ok {
		if m, ok := set.Left.(*Meta); ok && m.Key == MetaPkttype {
			return false
		}
	}
	ok := !readsPrints(st)
	EachExpr(st, func(e Expr) {
		switch e := e.(type) {
		case *Meta:
			ok = ok && !e.sdif() && e.Key != MetaIPsec
		case *RT:
			ok = false
		}
	})
	return ok
}

func (e *Meta) sdif() bool { return e.Key == MetaSdif || e.Key == MetaSdifname }
