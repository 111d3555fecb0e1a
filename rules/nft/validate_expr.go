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
	visit := func(e Expr) { hooks &= exprHooks(e) }
	switch st := st.(type) {
	case *Match:
		eachExpr(st.Left, visit)
	case *VMap:
		eachExpr(st.Left, visit)
	case *Assign:
		if m, ok := st.Left.(*Meta); ok && m.Key == MetaPkttype {
			hooks &= atPre
		}
		eachExpr(st.Value, visit)
	case *Mangle:
		eachExpr(st.Value.Src, visit)
	case *SetUpdate:
		eachExpr(st.Key, visit)
		eachExpr(st.Data, visit)
	case *ObjectRef:
		eachExpr(st.Key, visit)
	case *NAT:
		eachExpr(st.Addr, visit)
		eachExpr(st.Port, visit)
	}
	return hooks
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
	case *Socket:
		return atPre | atIn | atOut
	case *OSF:
		return atPre | atIn | atFwd
	}
	return -1
}

// eachExpr visits an expression and all that it is made of.
func eachExpr(e Expr, visit func(Expr)) {
	if e == nil {
		return
	}
	visit(e)
	switch e := e.(type) {
	case *Masked:
		eachExpr(e.E, visit)
	case *Concat:
		for _, part := range e.Es {
			eachExpr(part, visit)
		}
	case *Binop:
		eachExpr(e.L, visit)
		eachExpr(e.R, visit)
	case *MapLookup:
		eachExpr(e.Key, visit)
	case *Hash:
		eachExpr(e.E, visit)
	}
}
